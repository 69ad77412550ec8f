// Verification pair lists over an image folder (data-formats.md section 6, and a general form).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "harness/data/lists/picture_names.h"

namespace qcface::data {

/// Pairs in file order (line order is fold order and is kept). `images` holds each picture once, full path,
/// in order of first use; pairs index into it.
struct PairList {
  std::vector<std::string> images;
  std::vector<std::pair<int, int>> pairs;
  std::vector<char> same;     // 1 same identity, 0 different
  std::int64_t left_out = 0;  // pairs with a picture that is missing, where that is allowed
  std::size_t size() const { return pairs.size(); }
};

struct PairOptions {
  const PictureNames* names = nullptr;  // the pictures that there are, in place of the files below root
  bool allow_missing = false;           // pairs with a picture that is not there are left out and counted
};

/// Reads `list`. Rows are `a b m`, or `m a b` where every row can only be meant so; m is 1, true or same, or 0, false or
/// different. Fields stand between tabs, commas, semicolons or blanks, names with blanks in double quotes; a heading
/// (a,b,label) is passed over. a and b are names as PictureFinder reads them:
///   numbers:  12, 0012 or 12.0 -> <root>/imgs/<N>.<suffix> or <root>/<N>.<suffix>
///   paths:    relative to root or absolute, "\" for "/" where no file has it in its name
/// LFW's own form is told by its counts in the first line or by rows of four fields: `name n1 n2` (same) and
/// `name1 n1 name2 n2` (different) -> <root>/<name>/<name>_<n, 4 digits>.<suffix>.
/// CPLFW's own form is a row a picture, `name m`, two rows a pair. CFP's is a folder (cfp_pairs.h).
/// Throws Error naming list file and line: a row that is none of these, pictures that are not there (the first few and
/// how many), another number of pairs than announced; and for a list without pairs.
PairList read_pairs(const std::filesystem::path& list, const std::filesystem::path& root,
                    const PairOptions& options = {});

}  // namespace qcface::data
