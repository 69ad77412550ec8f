// Training on several ranks that use one device, emulated or a GPU; the ranks are threads of this process, and arrays of the
// device go through the host. Against one rank, on the same batches.
#include <algorithm>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "harness/train/engine.h"
#include "nn/backbones/iresnet.h"
#include "nn/device_communicator.h"
#include "tests/harness/train/rank_steps.h"
#include "tests/harness/train/train_support.h"
#include "tests/support/catch.h"
#include "tests/support/distance.h"
#include "tests/support/thread_ranks.h"

using namespace qcface;
using namespace qcface::train;

namespace {

#define QCFACE_NEEDS_DEVICE() \
  if (nn::cuda_device_count() == 0) QCFACE_SKIP("no GPU on this machine")

constexpr int kSide = 16, kWidth = 16, kClasses = 11, kBatch = 9, kSteps = 3;

nn::Graph tiny() {
  nn::IResNetConfig config = nn::iresnet_config("mini", kWidth);
  config.widths = {8, 8, 16, 16};
  config.image_size = kSide;
  config.dropout = 0.4;
  return nn::iresnet_graph(config);
}

struct Result {
  std::vector<double> loss;
  std::vector<float> lengths;  // of all rows and steps
  std::vector<float> backbone, classes, state;
};

/// Steps of one rank on its rows of the batches; the last batch is smaller. No assertions: Catch2's belong to one thread.
Result train_rank(Communicator& host, qcf_head_kind kind, nn::Precision precision, bool sync_bn, int parts) {
  std::unique_ptr<Communicator> device;
  if (host.size() > 1) device = nn::make_device_communicator(host, {});
  Communicator& communicator = device ? *device : host;
  EngineOptions options;
  options.seed = 11;
  options.head = make_head_config(kind);
  options.head.phase = QCF_PHASE_NORM;
  options.head.s = 16;
  options.head.lambda = 1;
  options.classes = kClasses;
  options.largest_batch = kBatch;
  options.accumulate = parts;
  options.sync_bn = sync_bn;
  Engine engine(nn::make_cuda_backend({0, precision, false}), tiny(), options, communicator);
  engine.network().parameters().initialise(3);
  engine.head().initialise(3);
  Result result;
  const auto add = [&](const std::optional<FinishedStep>& done) {
    if (!done) return false;
    result.loss.push_back(done->head.loss);
    result.lengths.insert(result.lengths.end(), done->head.lengths.begin(), done->head.lengths.end());
    return true;
  };
  for (std::int64_t k = 0; k < kSteps; ++k) {
    const std::int64_t n = k + 1 == kSteps ? kBatch - 1 : kBatch;
    const test::RankBatch pictures(k, n, kSide, kClasses, communicator);
    add(engine.step(pictures.batch, {0, k, n, 0.002, 0}));
  }
  while (add(engine.finish())) {
  }
  result.backbone = test::backbone_values(engine.network().parameters());
  result.classes = test::class_values(engine.head());
  result.state = test::state_values(engine.head());
  return result;
}

template <class... Options>
std::vector<Result> train_ranks(int ranks, Options... options) {
  std::vector<Result> all(static_cast<std::size_t>(ranks));
  test::on_ranks(ranks, [&](Communicator& communicator) {
    all[static_cast<std::size_t>(communicator.rank())] = train_rank(communicator, options...);
  });
  return all;
}

std::vector<float> classes_of(const std::vector<Result>& ranks) {
  std::vector<float> all;
  for (const Result& rank : ranks) all.insert(all.end(), rank.classes.begin(), rank.classes.end());
  return all;
}

void run_on_ranks(int ranks, const std::filesystem::path& run) {
  const std::vector<std::string> arguments{"--arch",
                                           "mini",
                                           "--embed_dims",
                                           "32",
                                           "--phase",
                                           "norm",
                                           "--lambda_g",
                                           "0.1",
                                           "--data_dirs",
                                           (test::small_faces() / "train").string(),
                                           "--batch-size",
                                           "5",
                                           "--max-steps",
                                           "2",
                                           "--lr",
                                           "0.0001",
                                           "--augment",
                                           "aligned",
                                           "--workers",
                                           "0",
                                           "--threads",
                                           "1",
                                           "--device",
                                           "cuda",
                                           "--sync-bn",
                                           "--scale",
                                           "16",
                                           "--no-report",
                                           "--print-freq",
                                           "1",
                                           "--pth-save-fold",
                                           run.string()};
  test::train_on_ranks(ranks, arguments);
}

}  // namespace

TEST_CASE("device ranks: with shared batch norm any number of ranks trains what one does") {
  QCFACE_NEEDS_DEVICE();
  for (const qcf_head_kind kind : {QCF_HEAD_QCFACE, QCF_HEAD_QCFACE_CUR}) {
    const Result one = train_ranks(1, kind, nn::Precision::kFp32, true, 1)[0];
    for (const int ranks : {2, 3}) {
      const std::vector<Result> all = train_ranks(ranks, kind, nn::Precision::kFp32, true, 1);
      INFO(qcf_head_name(kind) << ", " << ranks << " ranks");
      for (const Result& rank : all) {
        // Every rank says the same of the batch and has the same backbone and statistics, to the bit.
        REQUIRE(rank.loss == all[0].loss);
        REQUIRE(rank.lengths == all[0].lengths);
        REQUIRE(rank.backbone == all[0].backbone);
        REQUIRE(rank.state == all[0].state);
      }
      REQUIRE(all[0].loss.size() == kSteps);
      CHECK(test::distance(all[0].loss, one.loss) <= 1e-4);
      CHECK(test::distance(all[0].lengths, one.lengths) <= 1e-4);
      REQUIRE(all[0].state.size() == one.state.size());
      if (!one.state.empty()) CHECK(test::distance(all[0].state, one.state) <= 1e-4);
      CHECK(test::distance(all[0].backbone, one.backbone) <= 1e-4);
      CHECK(test::distance(classes_of(all), one.classes) <= 1e-4);
    }
  }
}

TEST_CASE("device ranks: 16-bit precisions, parts of a batch, and the same bits again") {
  QCFACE_NEEDS_DEVICE();
  for (const nn::Precision precision : {nn::Precision::kBf16, nn::Precision::kFp16}) {
    for (const bool sync_bn : {true, false}) {
      INFO(name_of(precision) << (sync_bn ? ", shared batch norm" : ""));
      const Result one = train_ranks(1, QCF_HEAD_QCFACE, precision, sync_bn, 1)[0];
      const std::vector<Result> all = train_ranks(2, QCF_HEAD_QCFACE, precision, sync_bn, 1),
                                again = train_ranks(2, QCF_HEAD_QCFACE, precision, sync_bn, 1);
      const double unit = precision == nn::Precision::kBf16 ? 0x1p-9 : 0x1p-12,
                   found = test::distance(all[0].lengths, one.lengths);
      INFO("lengths " << found);
      if (sync_bn) CHECK(found <= 16 * unit);
      if (!sync_bn) CHECK(found > 0.1);
      for (std::size_t r = 0; r < all.size(); ++r) {
        REQUIRE(all[r].loss == all[0].loss);
        REQUIRE(again[r].loss == all[r].loss);
        REQUIRE(again[r].backbone == all[r].backbone);
        REQUIRE(again[r].classes == all[r].classes);
      }
    }
  }
  // Statistics of a part are those of that part on all ranks.
  const std::vector<Result> parts = train_ranks(2, QCF_HEAD_QCFACE, nn::Precision::kFp32, true, 2);
  REQUIRE(parts[0].loss.size() == kSteps);
  REQUIRE(parts[1].loss == parts[0].loss);
  REQUIRE(parts[1].backbone == parts[0].backbone);
}

TEST_CASE("device ranks: a run on two ranks that share a GPU says so, and trains what one rank does") {
  QCFACE_NEEDS_DEVICE();
  test::TemporaryFolder folder;
  const std::string warning = "ranks 0 and 1 use the same GPU";
  run_on_ranks(1, folder / "one");
  REQUIRE(read_file(folder / "one" / "log.txt").find(warning) == std::string::npos);
  run_on_ranks(2, folder / "two");
  const auto losses = [&](const char* run) {
    std::vector<double> values;
    for (const auto& record : test::step_records(folder / run)) values.push_back(record.at("loss"));
    return values;
  };
  const std::vector<double> one = losses("one"), two = losses("two");
  REQUIRE(two.size() == 2);
  CHECK(test::distance(two, one) <= 1e-4);
  REQUIRE_THAT(read_file(folder / "two" / "log.txt"), test::contains(warning));
  // The host takes part in these collectives, so it knows their time.
  REQUIRE(test::step_records(folder / "two").front().at("communication") > 0.0);
  REQUIRE(std::filesystem::is_directory(test::newest_checkpoint(folder / "two")));
}
