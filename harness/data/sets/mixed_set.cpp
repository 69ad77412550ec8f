#include "harness/data/sets/mixed_set.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string_view>
#include <utility>

#include "core/error.h"

namespace qcface::data {

MixedSet::MixedSet(std::vector<std::unique_ptr<PictureSource>> sets, bool merge_by_name)
    : sets_(std::move(sets)) {
  begin_.push_back(0);
  ClassIndex index(class_names_);
  for (const auto& set : sets_) {
    begin_.push_back(begin_.back() + set->size());
    warnings_.insert(warnings_.end(), set->warnings().begin(), set->warnings().end());
    if (merge_by_name) {
      labels_.push_back(merge(set->class_names(), index));
    } else {
      labels_.push_back({static_cast<std::int64_t>(class_names_.size()), {}});
      class_names_.append(set->class_names());
    }
    require(class_names_.size() <= std::numeric_limits<std::int32_t>::max(),
            "the data sets have more classes together than 2^31 - 1");
  }
  num_classes_ = static_cast<std::int64_t>(class_names_.size());
}

MixedSet::Labels MixedSet::merge(const ClassNames& names, ClassIndex& index) {
  Labels labels;
  labels.listed.reserve(names.size());
  names.for_each([&](std::string_view name) {
    std::int64_t label = index.find(name);
    if (label < 0) {
      class_names_.push_back(name);
      label = index.add(static_cast<std::int64_t>(class_names_.size()) - 1);
    }
    labels.listed.push_back(static_cast<std::int32_t>(label));
  });
  labels.first = labels.listed.empty() ? 0 : labels.listed.front();
  const auto leap = std::adjacent_find(labels.listed.begin(), labels.listed.end(),
                                       [](std::int32_t a, std::int32_t b) { return b != a + 1; });
  if (leap == labels.listed.end()) labels.listed = {};
  return labels;
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
  return {s, *sets_[s], index - begin_[s]};
}

std::int64_t MixedSet::label(std::int64_t index) const {
  const Place place = place_of(index);
  const std::int64_t own = place.set.label(place.index);
  const Labels& labels = labels_[place.number];
  return labels.listed.empty() ? labels.first + own : labels.listed[static_cast<std::size_t>(own)];
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

void MixedSet::give_back_pages() const {
  for (const auto& set : sets_) set->give_back_pages();
}

DecodeResult MixedSet::read(std::int64_t index, std::vector<std::uint8_t>& buffer,
                            StoredPicture& picture) const {
  const Place place = place_of(index);
  return place.set.read(place.index, buffer, picture);
}

}  // namespace qcface::data
