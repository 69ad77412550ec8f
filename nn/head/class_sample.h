// The classes of a rank that take part in a step where not all do (--sample-rate): negative sampling of An et al., "Partial FC"
// (CVPR 2022). The classes of the batch's labels always do; the others are drawn anew each step.
#pragma once

#include <cstdint>
#include <span>

#include "core/comm/communicator.h"

namespace qcface::nn {

/// How many classes of `own` take part, the same in every step, so that memory and recorded work stay as they are: the share
/// `rate`, rounded up, but room for as many positives as a batch of `largest` rows may have.
std::int64_t class_sample_size(std::int64_t own, double rate, std::int64_t largest);

/// Names a draw: seed of the run, epoch, step inside it.
struct ClassDraw {
  std::uint64_t seed = 0, batch = 0;
  std::uint32_t epoch = 0;
};

/// Fills `rows` with rows of this rank's class weights, strictly ascending, among them the class of every label that is one of
/// `own`; the rank is part of the key. The other classes are cut into as many runs of neighbours as there are places left, and
/// one is drawn from each, so each takes part about as often as the next. labels: of the whole batch, at most rows.size() different
/// ones in `own`.
void sample_classes(const ClassDraw& draw, const Share& own, std::span<const std::int64_t> labels,
                    std::span<std::int64_t> rows);

}  // namespace qcface::nn
