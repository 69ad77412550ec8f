// Verification packs: lfw.bin, cfp_fp.bin, agedb_30.bin and their like (data-formats.md section 3). One pickle of the picture
// files and of whether each two of them show one person; read by the restricted reader, never run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/open_file.h"
#include "harness/data/lists/pairs.h"
#include "harness/data/sets/picture_source.h"

namespace qcface::data {

/// Whether it is a regular file that begins as a pickle of protocol 2 or later does.
bool is_verification_pack(const std::filesystem::path& file);

/// The pictures 2k and 2k + 1 are pair k. Their bytes are slices of the mapped file; those that were stored as text are converted
/// when they are read.
class VerificationPack final : public PictureSource {
 public:
  /// Throws Error naming the file, and the byte or the picture: no pickle of section 3, one with foreign code where a picture or
  /// a label should be, an odd number of pictures, another number of labels than pairs, no pair.
  explicit VerificationPack(const std::filesystem::path& file);
  /// Of bytes in memory, whose `path` is what messages call them.
  explicit VerificationPack(MappedFile file);

  /// Pairs in the order of the pack, over pictures in its order. `images` are the names.
  PairList pairs() const;

  /// <file>/<index>
  std::string name(std::int64_t index) const override;
  std::string file(std::int64_t) const override { return file_.path; }
  std::uint64_t stored_bytes(std::int64_t index) const override;
  DecodeResult read(std::int64_t index, std::vector<std::uint8_t>& buffer,
                    StoredPicture& picture) const override;

 private:
  struct Picture {
    const char* start = nullptr;
    std::size_t bytes = 0;
    bool latin1 = false;
  };

  MappedFile file_;
  std::vector<Picture> pictures_;
  std::vector<char> same_;
};

}  // namespace qcface::data
