// From one kind of data set to another (`qcface data pack`, `qcface data convert`): pictures are read, and where asked for
// decoded, on several threads and put in order, so that the result has the same bytes for any number of threads, and
// whether the work was stopped on the way or not.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "harness/convert/target.h"
#include "harness/data/sets/picture_source.h"
#include "harness/data/sets/verification_pack.h"

namespace qcface::convert {

struct ConvertOptions {
  TargetKind kind = TargetKind::kFolder;
  bool pixels =
      false;  // decoded, shorter side to `side`, centre window: a pack of pixels, elsewhere PNG files
  int side = 112;
  bool check = false;  // decode every picture that is kept as it is, and leave out what does not decode
  int threads = 0;     // 0: all cores
};

struct LeftOutPicture {
  std::string name;
  std::string reason;
};

struct ConvertResult {
  std::int64_t pictures = 0;  // put
  std::int64_t resumed = 0;   // of the set, done by earlier calls
  std::uint64_t bytes = 0;    // that the pictures take
  std::vector<LeftOutPicture> left_out;
  std::vector<std::string> notes;  // what the user should be told
};

/// Writes `set`, which came from `places`, to `to`. What is stopped on the way (a signal, a kill, a full disk) leaves
/// "<to>.part" and "<to>.journal", with which the same call goes on; only a whole result has the name `to`. `same`: of
/// a set of pairs, for the pictures 2k and 2k + 1; a folder then gets a pairs.list. Throws Error: `to` is there already, the journal belongs to another
/// call, no room on the disk.
ConvertResult convert_set(const data::PictureSource& set, std::string_view places,
                          const std::filesystem::path& to, const ConvertOptions& options,
                          std::vector<char> same = {});

/// The pictures of a verification pack as those of one class, "imgs", with the names 1.jpg, 2.jpg, ...: what becomes a folder
/// that `qcface eval verify` takes.
class PairPictures final : public data::PictureSource {
 public:
  explicit PairPictures(const std::filesystem::path& file);
  std::vector<char> same() const { return pack_.pairs().same; }
  std::string name(std::int64_t index) const override { return pack_.name(index); }
  std::string file_name(std::int64_t index) const override;
  std::string file(std::int64_t index) const override { return pack_.file(index); }
  std::uint64_t stored_bytes(std::int64_t index) const override { return pack_.stored_bytes(index); }
  data::DecodeResult read(std::int64_t index, std::vector<std::uint8_t>& buffer,
                          data::StoredPicture& picture) const override {
    return pack_.read(index, buffer, picture);
  }

 private:
  data::VerificationPack pack_;
};

/// "7701 pictures, 52.1 MB; left out 2 (JPEG data ends early: 1, ...)", with the first of those that were left out.
std::string describe(const ConvertResult& result, const std::filesystem::path& to);

}  // namespace qcface::convert
