// Several sets as one: their pictures one set after the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "harness/data/sets/picture_source.h"

namespace qcface::data {

/// Labels run on over the sets: those of each follow the classes of the one before. With merge_by_name classes of one name
/// have one label (that of the first), whatever kinds of sets they are in.
class MixedSet final : public PictureSource {
 public:
  /// Throws Error where there are more classes or pictures than can be counted.
  MixedSet(std::vector<std::unique_ptr<PictureSource>> sets, bool merge_by_name);

  std::int64_t size() const override { return begin_.back(); }
  std::int64_t label(std::int64_t index) const override;
  std::vector<PicturePart> parts() const override;
  std::string name(std::int64_t index) const override;
  std::string file_name(std::int64_t index) const override;
  std::string name_in_set(std::int64_t index) const override;
  std::string file(std::int64_t index) const override;
  std::uint64_t stored_bytes(std::int64_t index) const override;
  void give_back_pages() const override;
  DecodeResult read(std::int64_t index, std::vector<std::uint8_t>& buffer,
                    StoredPicture& picture) const override;

 private:
  struct Place {
    std::size_t number;  // of the set
    const PictureSource& set;
    std::int64_t index;
  };
  Place place_of(std::int64_t index) const;
  // Labels here of the classes of a set: from `first` on, or as they are listed.
  struct Labels {
    std::int64_t first = 0;
    std::vector<std::int32_t> listed;
  };
  Labels merge(const ClassNames& names, ClassIndex& index);

  std::vector<std::unique_ptr<PictureSource>> sets_;
  std::vector<std::int64_t> begin_;  // of each set, and the end
  std::vector<Labels> labels_;       // of each set
};

}  // namespace qcface::data
