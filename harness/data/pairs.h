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

/// Reads `list`. Lines are `a b m`, fields separated by blanks, tabs or one comma; empty lines and lines that
/// begin with '#' are skipped. m is 1 (same) or 0 (different).
///   numbers:  a and b are integers (`12.0` is allowed) -> <root>/imgs/<N>.<suffix> or <root>/<N>.<suffix>
///   paths:    a and b are paths relative to root (or absolute)
/// Throws Error naming list file and line: wrong field count, m not 0 or 1, a picture that is not there; and
/// for a list without pairs.
PairList read_pairs(const std::filesystem::path& list, const std::filesystem::path& root);

}  // namespace qcface::data
