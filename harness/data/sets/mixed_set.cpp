#include "harness/data/sets/mixed_set.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <unordered_map>
#include <utility>

#include "core/error.h"

namespace qcface::data {

MixedSet::MixedSet(std::vector<std::unique_ptr<PictureSource>> sets, bool merge_by_name)
    : sets_(std::move(sets)) {
  begin_.push_back(0);
  for (const auto& set : sets_) begin_.push_back(begin_.back() + set->size());
  label_of_.reserve(static_cast<std::size_t>(begin_.back()));
  std::unordered_map<std::string, std::int32_t> label_of_name;
  for (const auto& set : sets_) {
    warnings_.insert(warnings_.end(), set->warnings().begin(), set->warnings().end());
    std::vector<std::int32_t> label_here;  // by the set's own
    label_here.reserve(set->class_names().size());
    for (const std::string& name : set->class_names()) {
      require(class_names_.size() < std::numeric_limits<std::int32_t>::max(),
              "the data sets have more classes together than 2^31 - 1");
      auto label = static_cast<std::int32_t>(class_names_.size());
      if (merge_by_name) label = label_of_name.try_emplace(name, label).first->second;
      if (label == static_cast<std::int32_t>(class_names_.size())) class_names_.push_back(name);
      label_here.push_back(label);
    }
    for (std::int64_t i = 0; i < set->size(); ++i)
      label_of_.push_back(label_here[static_cast<std::size_t>(set->label(i))]);
  }
  num_classes_ = static_cast<std::int64_t>(class_names_.size());
}

std::vector<PicturePart> MixedSet::parts() const {
  std::vector<PicturePart> all;
  for (const auto& set : sets_) {
    for (PicturePart& part : set->parts()) all.push_back(std::move(part));
  }
  return all;
}

MixedSet::Place MixedSet::place_of(std::int64_t index) const {
  const auto set = std::upper_bound(begin_.begin(), begin_.end(), index) - begin_.begin() - 1;
  const auto s = static_cast<std::size_t>(set);
  return {*sets_[s], index - begin_[s]};
}

std::string MixedSet::name(std::int64_t index) const {
  const Place place = place_of(index);
  return place.set.name(place.index);
}

std::string MixedSet::file_name(std::int64_t index) const {
  const Place place = place_of(index);
  return place.set.file_name(place.index);
}

std::string MixedSet::name_in_set(std::int64_t index) const {
  const Place place = place_of(index);
  return place.set.name_in_set(place.index);
}

std::string MixedSet::file(std::int64_t index) const {
  const Place place = place_of(index);
  return place.set.file(place.index);
}

std::uint64_t MixedSet::stored_bytes(std::int64_t index) const {
  const Place place = place_of(index);
  return place.set.stored_bytes(place.index);
}

DecodeResult MixedSet::read(std::int64_t index, std::vector<std::uint8_t>& buffer,
                            StoredPicture& picture) const {
  const Place place = place_of(index);
  return place.set.read(place.index, buffer, picture);
}

}  // namespace qcface::data
