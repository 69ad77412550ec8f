// Loose crops aligned by five points as they are read (data-formats.md section 13): decoded, warped to 112 x 112, kept nowhere.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "harness/data/align/similarity.h"
#include "harness/data/sets/picture_source.h"

namespace qcface::data {

/// Pictures in the order of `files`, all of label 0. A picture whose points are one comes as it is stored, so that whoever
/// prepares it takes its centre.
class AlignedPictures final : public PictureSource {
 public:
  static constexpr int kSide = 112;

  /// `files`: names below `folder`, a set of points each.
  AlignedPictures(const std::filesystem::path& folder, std::vector<std::string> files,
                  std::vector<FivePoints> points);
  /// How many have no similarity and come unaligned.
  std::int64_t unaligned() const { return unaligned_; }

  std::string name(std::int64_t index) const override;
  std::string file_name(std::int64_t index) const override;
  std::string reading() const override { return reading_; }
  std::uint64_t stored_bytes(std::int64_t index) const override;
  DecodeResult read(std::int64_t index, std::vector<std::uint8_t>& buffer,
                    StoredPicture& picture) const override;

 private:
  std::string folder_;  // with a slash at its end
  std::vector<std::string> files_;
  std::vector<FivePoints> points_;
  std::int64_t unaligned_ = 0;
  std::string reading_;
};

}  // namespace qcface::data
