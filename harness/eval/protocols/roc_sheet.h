// The sheets of scored pairs. roc.csv: rows score,fpr,tpr,threshold of thinned curves, one score after the other; scores.npy:
// the scores themselves.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/eval/measures/roc.h"
#include "harness/plot/roc_plot.h"

namespace qcface::eval {

inline constexpr const char* kRocHeader = "score,fpr,tpr,threshold\n";
/// Of several sets: the set stands in front.
inline constexpr const char* kSetsRocHeader = "set,score,fpr,tpr,threshold\n";
/// `score` as it stands in front of the numbers: of several sets SET,SCORE.
void append_roc(std::string& csv, std::string_view score, const Roc& roc);

/// One curve a score (of a set, whose name is the curve's then, with the score behind it unless that is cosine), in the order of the file; rows that are none are left out, and so are points that a figure does not tell
/// from the one before.
std::vector<RocCurve> roc_curves(const std::string& csv);

/// scores.npy: float64 [pairs, 2] of 1 (one person) or 0, and the score, in the order of the list.
std::string scores_npy(std::span<const double> scores, std::span<const char> same);

}  // namespace qcface::eval
