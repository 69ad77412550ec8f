#include "nn/scoring/cpu/cpu_scorer.h"

#include "kernels/device/parallel.h"

namespace qcface::nn {
namespace {

class CpuScorer final : public Scorer {
 public:
  explicit CpuScorer(int threads) : threads_(resolve_threads(threads)) {}
  void pair_scores(const RowsView& rows, std::span<const RowPair> pairs, const ScoreRule& rule,
                   std::span<double> out) override {
    scoring::pair_scores(rows, pairs, rule, out, threads_);
  }
  RocCounts roc(const RocRequest& request) override { return scoring::roc_counts(request, threads_); }
  IdentifyFound identify(const IdentifyRequest& request) override {
    return scoring::identify(request, threads_);
  }
  const char* name() const override { return "cpu"; }

 private:
  int threads_;
};

}  // namespace

std::unique_ptr<Scorer> make_cpu_scorer(int threads) { return std::make_unique<CpuScorer>(threads); }

}  // namespace qcface::nn
