// The CPU's way to score: one file a function.
#pragma once

#include <span>

#include "nn/scoring/scorer.h"

namespace qcface::nn::scoring {

void pair_scores(const RowsView& rows, std::span<const RowPair> pairs, const ScoreRule& rule,
                 std::span<double> out, int threads);
RocCounts roc_counts(const RocRequest& request, int threads);
IdentifyFound identify(const IdentifyRequest& request, int threads);

}  // namespace qcface::nn::scoring
