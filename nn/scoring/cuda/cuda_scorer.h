// The GPU's way to score: one file a function. In builds that emulate the device (QCF_EMULATE) plain loops stand in for cuBLASLt
// and CUB, and our own kernels run on the host.
#pragma once

#include <span>

#include "nn/scoring/cuda/scoring_device.h"
#include "nn/scoring/scorer.h"

namespace qcface::nn::cuda {

class CudaScorer final : public Scorer {
 public:
  explicit CudaScorer(const CudaScorerOptions& options) : device_(options) {}
  void pair_scores(const RowsView& rows, std::span<const RowPair> pairs, const ScoreRule& rule,
                   std::span<double> out) override;
  RocCounts roc(const RocRequest& request) override;
  IdentifyFound identify(const IdentifyRequest& request) override;
  const char* name() const override { return "cuda"; }

 private:
  ScoringDevice device_;
};

}  // namespace qcface::nn::cuda
