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
#include "harness/data/picture_source.h"

namespace qcface::convert {

struct ConvertOptions {
  TargetKind kind = TargetKind::kFolder;
  bool pixels = false;  // decoded, shorter side to `side`, centre window: a pack of pixels, elsewhere PNG files
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
/// TargetKind::kBin, for the pictures 2k and 2k + 1. Throws Error: `to` is there already, the journal belongs to another
/// call, no room on the disk.
ConvertResult convert_set(const data::PictureSource& set, std::string_view places, const std::filesystem::path& to,
                          const ConvertOptions& options, std::vector<char> same = {});

/// "7701 pictures, 52.1 MB; left out 2 (JPEG data ends early: 1, ...)", with the first of those that were left out.
std::string describe(const ConvertResult& result, const std::filesystem::path& to);

}  // namespace qcface::convert
