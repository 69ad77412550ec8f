// The pair list of IJB-B and IJB-C: rows `template template label` (data-formats.md section 7), 15.7 million of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "nn/scoring/scorer.h"

namespace qcface::data {

/// Where a template's id stands among ascending ids.
class TemplateIndex {
 public:
  /// `ids` must outlive it.
  explicit TemplateIndex(std::span<const std::int64_t> ids);
  /// -1: not there.
  std::int32_t find(std::int64_t id) const;

 private:
  std::span<const std::int64_t> ids_;
  std::vector<std::int32_t> place_of_;  // of ids_[0] + i; empty where ids lie too far apart for a table
};

struct IjbPairs {
  std::vector<nn::RowPair> pairs;  // places of the templates
  std::vector<char> same;
};
/// In the order of the list, read in pieces by several threads. Throws Error naming file and line: a row of another form, a label
/// that is neither 1 (same) nor 0, a template that is not in `templates`; and for a list without rows.
IjbPairs read_ijb_pairs(const std::filesystem::path& list, const TemplateIndex& templates, int threads = 0);

}  // namespace qcface::data
