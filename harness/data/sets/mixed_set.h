// Several sets as one: their pictures one set after the other.
#pragma once

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

  std::vector<PicturePart> parts() const override;
  std::string name(std::int64_t index) const override;
  std::string file_name(std::int64_t index) const override;
  std::string name_in_set(std::int64_t index) const override;
  std::string file(std::int64_t index) const override;
  std::uint64_t stored_bytes(std::int64_t index) const override;
  DecodeResult read(std::int64_t index, std::vector<std::uint8_t>& buffer,
                    StoredPicture& picture) const override;

 private:
  struct Place {
    const PictureSource& set;
    std::int64_t index;
  };
  Place place_of(std::int64_t index) const;

  std::vector<std::unique_ptr<PictureSource>> sets_;
  std::vector<std::int64_t> begin_;  // of each set, and the end
};

}  // namespace qcface::data
