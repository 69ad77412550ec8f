// Verification pair lists over an image folder (data-formats.md section 6, and a general form).
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace qcface::data {

/// Pairs in file order (line order is fold order and is kept). `images` holds each picture once, full path,
/// in order of first use; pairs index into it.
struct PairList {
  std::vector<std::string> images;
  std::vector<std::pair<int, int>> pairs;
  std::vector<char> same;  // 1 same identity, 0 different
  std::size_t size() const { return pairs.size(); }
};

/// Reads `list`. Rows are `a b m`, or `m a b` where every row can only be meant so; m is 1, true or same, or 0, false or
/// different. Fields stand between tabs, commas, semicolons or blanks, names with blanks in double quotes; a heading
/// (a,b,label) is passed over. a and b are names as PictureFinder reads them:
///   numbers:  12, 0012 or 12.0 -> <root>/imgs/<N>.<suffix> or <root>/<N>.<suffix>
///   paths:    relative to root or absolute, "\" for "/" where no file has it in its name
/// LFW's own form is told by its counts in the first line or by rows of four fields: `name n1 n2` (same) and
/// `name1 n1 name2 n2` (different) -> <root>/<name>/<name>_<n, 4 digits>.<suffix>.
/// Throws Error naming list file and line: a row that is none of these, pictures that are not there (the first few and
/// how many), another number of pairs than announced; and for a list without pairs.
PairList read_pairs(const std::filesystem::path& list, const std::filesystem::path& root);

}  // namespace qcface::data
