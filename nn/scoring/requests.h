// What every device checks before it computes, in the same words, and the empty results that it fills.
#pragma once

#include <cstdint>
#include <span>

#include "nn/scoring/scorer.h"

namespace qcface::nn::scoring {

/// Lengths from here on are refused: their squares would leave float's range.
inline constexpr double kLongest = 1e15;

/// Throw Error saying what was expected.
void check(const IdentifyRequest& request);
void check(const RowsView& rows, std::span<const RowPair> pairs, std::span<double> out);

/// Throws Error naming the row whose length is no number below kLongest. lengths[0] is that of row `first`; what: "probes".
void check_lengths(std::span<const double> lengths, std::int64_t first, const char* what);

/// Results of their full size without any finding: scores -infinity and rows -1 in the parts.
IdentifyFound nothing_found(const IdentifyRequest& request);
/// Throws Error as above; both numbers of pairs are filled in, the ranks' results have their size.
RocCounts counted(const RocRequest& request);

}  // namespace qcface::nn::scoring
