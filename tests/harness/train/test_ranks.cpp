// Training with classes and batches shared out over ranks, which here are threads of this process, against one rank.
#include <algorithm>
#include <string>
#include <vector>

#include "core/error.h"
#include "harness/train/engine.h"
#include "tests/harness/train/plain_graph.h"
#include "tests/harness/train/rank_steps.h"
#include "tests/support/catch.h"
#include "tests/support/distance.h"
#include "tests/support/thread_ranks.h"

using namespace qcface;
using namespace qcface::train;

namespace {

constexpr int kSide = 16, kWidth = 16, kClasses = 23, kBatch = 7, kSteps = 4;

struct Result {
  std::vector<double> loss;
  std::vector<std::int64_t> top1;
  std::vector<float> lengths;  // of all rows and steps
  std::vector<float> backbone, classes, state;
};

/// Steps of one rank on its rows of the batches; the last batch is smaller.
Result train_rank(Communicator& communicator, qcf_head_kind kind, int parts) {
  EngineOptions options;
  options.seed = 11;
  options.head = make_head_config(kind);
  options.head.phase = QCF_PHASE_NORM;
  options.head.s = 16;
  options.head.lambda = 0.1;
  options.classes = kClasses;
  options.largest_batch = kBatch;
  options.accumulate = parts;
  Engine engine(nn::make_cpu_backend(1), test::plain_graph(kSide, kWidth, 0.4), options, communicator);
  engine.network().parameters().initialise(3);
  engine.head().initialise(3);
  Result result;
  for (std::int64_t k = 0; k < kSteps; ++k) {
    const std::int64_t n = k + 1 == kSteps ? kBatch - 2 : kBatch;
    const test::RankBatch pictures(k, n, kSide, kClasses, communicator);
    const auto done = engine.step(pictures.batch, {0, k, n, 0.01, 0});
    require(done.has_value(), "the CPU finishes a step at once");  // Catch2 asserts on one thread only
    result.loss.push_back(done->head.loss);
    result.top1.push_back(done->head.top1);
    result.lengths.insert(result.lengths.end(), done->head.lengths.begin(), done->head.lengths.end());
  }
  result.backbone = test::backbone_values(engine.network().parameters());
  result.classes = test::class_values(engine.head());
  result.state = test::state_values(engine.head());
  return result;
}

}  // namespace

TEST_CASE("ranks: classes and batches shared out train as one rank does, with every head") {
  for (int head = 0; head < qcf_head_count(); ++head) {
    const auto kind = static_cast<qcf_head_kind>(head);
    std::vector<Result> alone(1);
    run_ranks(1, [&](Communicator& communicator) { alone[0] = train_rank(communicator, kind, 1); });
    const Result& one = alone[0];
    for (const auto& [ranks, parts] : {std::pair{2, 1}, {3, 1}, {2, 2}}) {
      INFO(qcf_head_name(kind) << ", " << ranks << " ranks, " << parts << " parts");
      std::vector<Result> all(static_cast<std::size_t>(ranks));
      run_ranks(ranks, [&](Communicator& communicator) {
        all[static_cast<std::size_t>(communicator.rank())] = train_rank(communicator, kind, parts);
      });
      std::vector<float> classes;
      for (const Result& rank : all) {
        // Every rank says the same of the batch and has the same backbone, to the bit.
        REQUIRE(rank.loss == all[0].loss);
        REQUIRE(rank.lengths == all[0].lengths);
        REQUIRE(rank.backbone == all[0].backbone);
        REQUIRE(rank.state == all[0].state);
        classes.insert(classes.end(), rank.classes.begin(), rank.classes.end());
      }
      REQUIRE(all[0].loss.size() == kSteps);
      REQUIRE(test::distance(all[0].loss, one.loss) <= 1e-5);
      REQUIRE(all[0].top1 == one.top1);
      REQUIRE(test::distance(all[0].lengths, one.lengths) <= 1e-5);
      REQUIRE(all[0].state.size() == one.state.size());
      if (!one.state.empty()) REQUIRE(test::distance(all[0].state, one.state) <= 1e-5);
      REQUIRE(test::distance(all[0].backbone, one.backbone) <= 1e-5);
      REQUIRE(test::distance(classes, one.classes) <= 1e-5);
    }
  }
}

TEST_CASE("ranks: a rank that stops is named to the others") {
  std::vector<std::string> texts(2);
  REQUIRE_THROWS(run_ranks(2, [&](Communicator& communicator) {
    try {
      if (communicator.rank() == 1) fail("no pictures left");
      train_rank(communicator, QCF_HEAD_QCFACE, 1);
    } catch (const std::exception& error) {
      texts[static_cast<std::size_t>(communicator.rank())] = error.what();
      throw;
    }
  }));
  REQUIRE_THAT(texts[0], test::contains("rank 1 is gone (no pictures left"));
}
