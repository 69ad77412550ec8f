// The backbone's gradient summed over the ranks while backward runs: the bits of sums taken after it, and errors of either side
// named. Written once: ranks on the CPU, and (built with the emulated device) ranks on CUDA backends.
#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "harness/train/engine.h"
#include "nn/backbones/iresnet.h"
#ifdef QCF_EMULATE
#include "kernels/device/runtime.h"
#include "nn/cuda/cuda_backend.h"
#endif
#include "tests/harness/train/rank_steps.h"
#include "tests/support/catch.h"
#include "tests/support/rank_errors.h"
#include "tests/support/thread_ranks.h"

using namespace qcface;
using namespace qcface::train;

namespace {

constexpr int kSide = 16, kWidth = 16, kClasses = 7, kBatch = 13, kSteps = 4;
constexpr std::size_t kSmall = 2000, kWhole = std::size_t{1} << 40;  // bytes of a bucket

#ifdef QCF_EMULATE
constexpr bool kOnDevice = true;
std::unique_ptr<nn::Backend> make_backend() { return nn::make_cuda_backend({}); }
#else
constexpr bool kOnDevice = false;
std::unique_ptr<nn::Backend> make_backend() { return nn::make_cpu_backend(1); }
#endif

/// Ranks that are threads, as one with NCCL would be: arrays of the emulated device are the host's, and the time of collectives
/// is not the host's. Notes the streams of sums.
class DeviceRanks final : public Communicator {
 public:
  explicit DeviceRanks(Communicator& ranks) : ranks_(ranks) {}
  int rank() const override { return ranks_.rank(); }
  int size() const override { return ranks_.size(); }
  void barrier() override { ranks_.barrier(); }
  void poll() override { ranks_.poll(); }
  std::optional<double> seconds() const override { return std::nullopt; }
  std::vector<void*> streams;

 protected:
  void do_all_reduce(const Array& values, Reduce reduce, void* stream) override {
    if (values.type == ElementType::kF32) streams.push_back(stream);
    ranks_.all_reduce(host(values), reduce);
  }
  void do_all_gather(const Array& in, const Array& out, void*) override {
    ranks_.all_gather(host(in), host(out));
  }
  void do_reduce_scatter(const Array& in, const Array& out, Reduce reduce, void*) override {
    ranks_.reduce_scatter(host(in), host(out), reduce);
  }
  void do_broadcast(const Array& values, int root, void*) override { ranks_.broadcast(host(values), root); }

 private:
  static Array host(Array array) {
    array.on_device = false;
    return array;
  }
  Communicator& ranks_;
};

struct Way {
  bool overlap = true, sync_bn = false;
  int parts = 1;
  std::size_t bucket_bytes = kSmall;
};

struct Result {
  std::vector<double> loss;
  std::vector<float> backbone, classes;
  std::string exchange;
  bool operator==(const Result& other) const {
    return loss == other.loss && backbone == other.backbone && classes == other.classes;
  }
};

std::unique_ptr<Engine> make_engine(Communicator& communicator, const Way& way) {
  EngineOptions options;
  options.seed = 11;
  options.head = make_head_config(QCF_HEAD_QCFACE);
  options.head.phase = QCF_PHASE_NORM;
  options.head.s = 16;
  options.classes = kClasses;
  options.largest_batch = kBatch;
  options.accumulate = way.parts;
  options.sync_bn = way.sync_bn;
  options.exchange = {way.overlap, way.bucket_bytes};
  nn::IResNetConfig config = nn::iresnet_config("mini", kWidth);
  config.widths = {8, 8, 16, 16};
  config.image_size = kSide;
  auto engine = std::make_unique<Engine>(make_backend(), nn::iresnet_graph(config), options, communicator);
  engine->network().parameters().initialise(3);
  engine->head().initialise(3);
  return engine;
}

void run_steps(Engine& engine, const Communicator& communicator, Result& result) {
  for (std::int64_t k = 0; k < kSteps; ++k) {
    const test::RankBatch pictures(k, kBatch, kSide, kClasses, communicator);
    if (const auto done = engine.step(pictures.batch, {0, k, kBatch, 0.01, 0}))
      result.loss.push_back(done->head.loss);
  }
  while (const auto done = engine.finish()) result.loss.push_back(done->head.loss);
}

Result train_rank(Communicator& communicator, const Way& way) {
  const auto engine = make_engine(communicator, way);
  Result result;
  if (engine->exchange() != nullptr) result.exchange = engine->exchange()->describe();
  run_steps(*engine, communicator, result);
  result.backbone = test::backbone_values(engine->network().parameters());
  result.classes = test::class_values(engine->head());
  return result;
}

std::vector<Result> train_ranks(int ranks, const Way& way) {
  std::vector<Result> all(static_cast<std::size_t>(ranks));
  run_ranks(ranks, [&](Communicator& threads) {
    DeviceRanks device(threads);
    Communicator& communicator = kOnDevice ? device : threads;
    all[static_cast<std::size_t>(threads.rank())] = train_rank(communicator, way);
  });
  return all;
}

/// The text of the Error that each rank's work ends with.
std::vector<std::string> errors(int ranks, const std::function<void(Communicator&)>& work) {
  return test::errors_of_ranks(
      ranks,
      [work](Communicator& threads) {
        DeviceRanks device(threads);
        work(kOnDevice ? static_cast<Communicator&>(device) : threads);
      },
      std::chrono::seconds(100));
}

}  // namespace

TEST_CASE("overlap: gradients summed while backward runs give the bits of those summed after it") {
  for (const int ranks : {2, 3}) {
    for (const bool sync_bn : {false, true}) {
      for (const int parts : {1, 2}) {
        INFO(ranks << " ranks, " << parts << " parts" << (sync_bn ? ", shared batch norm" : ""));
        const std::vector<Result> overlapped = train_ranks(ranks, {true, sync_bn, parts, kSmall});
        REQUIRE_THAT(overlapped[0].exchange,
                     test::contains(" buckets, each summed over the processes while"));
        REQUIRE(overlapped[0].loss.size() == kSteps);
        const std::vector<Result> after = train_ranks(ranks, {false, sync_bn, parts, kSmall}),
                                  whole = train_ranks(ranks, {false, sync_bn, parts, kWhole});
        REQUIRE_THAT(after[0].exchange,
                     test::contains(" buckets, summed over the processes after backward: "));
        REQUIRE_THAT(whole[0].exchange, test::contains("in one bucket, "));
        REQUIRE(overlapped == after);
        // In rank order, element by element: however the array is cut.
        REQUIRE(overlapped == whole);
        // Batch norm's running statistics may differ between ranks, the rest does not.
        REQUIRE(overlapped[0].loss == overlapped[1].loss);
      }
    }
  }
}

TEST_CASE("overlap: one process exchanges nothing") {
  const std::vector<Result> alone = train_ranks(1, {});
  REQUIRE(alone[0].exchange.empty());
  REQUIRE(alone[0].loss.size() == kSteps);
}

TEST_CASE("overlap: ranks whose buckets differ are told so") {
  for (const std::string& text : errors(2, [](Communicator& communicator) {
         train_rank(communicator, {true, false, 1, communicator.rank() == 0 ? kSmall : kWhole});
       }))
    REQUIRE_THAT(text, test::contains("every rank has to make the same calls in the same order"));
}

TEST_CASE("overlap: a rank that fails inside a step is named to the others") {
  // Before its first bucket, and with buckets under way.
  for (const StepPart at : {StepPart::kBackward, StepPart::kUpdate}) {
    const std::vector<std::string> texts = errors(3, [at](Communicator& communicator) {
      const auto engine = make_engine(communicator, {});
      int steps = 0;
      engine->observe_parts([&](StepPart part, void*) {
        if (part != at || communicator.rank() != 1) return;
        if (++steps == 3) fail("no memory left");
      });
      Result result;
      run_steps(*engine, communicator, result);
    });
    REQUIRE(texts[1] == "no memory left");
    for (const int rank : {0, 2})
      REQUIRE_THAT(texts[static_cast<std::size_t>(rank)], test::contains("rank 1 is gone (no memory left)"));
  }
}

namespace {

/// Two ranks of which this is the first; the other one's values are the same. A sum tells when it begins, and waits.
class Twice : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 2; }
  void barrier() override {}
  void poll() override {}

 protected:
  void do_all_reduce(const Array& values, Reduce, void*) override { twice(values); }
  void do_all_gather(const Array&, const Array&, void*) override {}
  void do_reduce_scatter(const Array&, const Array&, Reduce, void*) override {}
  void do_broadcast(const Array&, int, void*) override {}
  static void twice(const Array& values) {
    float* const v = static_cast<float*>(values.data);
    for (std::int64_t i = 0; i < values.count(); ++i) v[i] *= 2;
  }
};

constexpr std::size_t kFirst = 3, kCount = 8;
/// The back bucket is complete with layer 1, the front one with layer 0.
std::vector<nn::GradientBucket> two_buckets() { return {{kFirst, kCount - kFirst, 1}, {0, kFirst, 0}}; }

}  // namespace

#ifndef QCF_EMULATE
namespace {

struct Gate {
  std::promise<void> begun;
  std::atomic<bool> once{false};
};

/// Its other communicator says when its first sum has begun.
class Telling final : public Twice {
 public:
  explicit Telling(Gate& gate) : gate_(gate) {}
  std::unique_ptr<Communicator> another() override { return std::make_unique<Telling>(gate_); }

 protected:
  void do_all_reduce(const Array& values, Reduce, void*) override {
    twice(values);
    if (!gate_.once.exchange(true)) gate_.begun.set_value();
  }

 private:
  Gate& gate_;
};

}  // namespace

TEST_CASE("overlap: a bucket is summed as soon as its layer is done, and the wait counts as communication") {
  const auto backend = make_backend();
  Gate gate;
  Telling communicator(gate);
  GradientExchange exchange(*backend, communicator, two_buckets(), true);
  REQUIRE(exchange.overlaps());
  std::vector<float> gradients(kCount, 1.0f);
  std::vector<std::size_t> completed;
  const auto complete = [&](const nn::GradientBucket& bucket) { completed.push_back(bucket.first); };
  exchange.begin(gradients.data());
  exchange.layer_done(2, complete);
  REQUIRE(completed.empty());
  exchange.layer_done(1, complete);
  REQUIRE(completed == std::vector<std::size_t>{kFirst});
  // While "backward" is here.
  REQUIRE(gate.begun.get_future().wait_for(std::chrono::seconds(20)) == std::future_status::ready);
  REQUIRE(gradients.back() == 2);
  REQUIRE(gradients.front() == 1);
  REQUIRE_THROWS_WITH(exchange.finish(), test::contains("1 of 2 buckets were complete"));
  exchange.layer_done(0, complete);
  REQUIRE(completed == std::vector<std::size_t>{kFirst, 0});
  const double before = communicator.seconds().value_or(-1);
  exchange.finish();
  REQUIRE(gradients == std::vector<float>(kCount, 2.0f));
  REQUIRE(communicator.seconds().value_or(-1) > before);
}

TEST_CASE(
    "overlap: without a communicator for another thread sums are taken after backward, and it is said") {
  const auto backend = make_backend();
  Twice communicator;
  GradientExchange exchange(*backend, communicator, two_buckets(), true);
  REQUIRE_FALSE(exchange.overlaps());
  REQUIRE(
      exchange.describe() ==
      "gradients in 2 buckets, summed over the processes after backward: what connects the processes lets "
      "only one thread call it");
  std::vector<float> gradients(kCount, 1.0f);
  exchange.begin(gradients.data());
  for (const int layer : {1, 0}) exchange.layer_done(layer, [](const nn::GradientBucket&) {});
  REQUIRE(gradients == std::vector<float>(kCount, 1.0f));
  exchange.finish();
  REQUIRE(gradients == std::vector<float>(kCount, 2.0f));
}
#else
namespace {

/// As one that goes over the host.
class Waiting final : public Twice {
 public:
  bool enqueues() const override { return false; }
};

/// Sums on their stream.
class Enqueuing final : public Twice {
 public:
  std::optional<double> seconds() const override { return std::nullopt; }
  std::vector<void*> streams;

 protected:
  void do_all_reduce(const Array& values, Reduce, void* stream) override {
    streams.push_back(stream);
    emulation::enqueue(static_cast<cudaStream_t>(stream), [values] { twice(values); });
  }
};

}  // namespace

// One of the two streams runs only when the other one waits for it: a missing event shows.
TEST_CASE("overlap: the second stream waits for a bucket's gradients, and the update for its sums") {
  for (const bool main_late : {false, true}) {
    INFO((main_late ? "the layers' stream is late" : "the second stream is late"));
    const auto backend = make_backend();
    Enqueuing communicator;
    GradientExchange exchange(*backend, communicator, two_buckets(), true);
    REQUIRE(exchange.overlaps());
    const auto main = static_cast<cudaStream_t>(backend->stream_handle()),
               second = static_cast<cudaStream_t>(backend->communication_stream());
    REQUIRE(main != second);
    const nn::Memory gradients = backend->allocate(kCount * sizeof(float), "gradients"),
                     out = backend->allocate(kCount * sizeof(float), "what the update reads");
    const std::vector<float> ones(kCount, 1.0f);
    std::vector<float> read(kCount);
    {
      const emulation::LateStream late(main_late ? main : second);
      exchange.begin(gradients.floats().data());
      for (const int layer : {1, 0}) {
        // The layer's gradients; a sum that does not wait for them is overwritten.
        exchange.layer_done(layer, [&](const nn::GradientBucket& bucket) {
          backend->copy(gradients.floats().data() + bucket.first, ones.data(), bucket.count * sizeof(float));
        });
      }
      exchange.finish();
      backend->copy(out.data(), gradients.data(), gradients.bytes());
      backend->synchronize();
      std::copy_n(out.floats().data(), kCount, read.begin());
    }
    REQUIRE(communicator.streams == std::vector<void*>(2, second));
    REQUIRE(read == std::vector<float>(kCount, 2.0f));
  }
}

TEST_CASE("overlap: collectives that wait on the host are called after backward") {
  const auto backend = make_backend();
  Waiting communicator;
  const GradientExchange exchange(*backend, communicator, two_buckets(), true);
  REQUIRE_FALSE(exchange.overlaps());
  REQUIRE_THAT(exchange.describe(), test::contains("after backward: arrays of the device go over the host"));
}

TEST_CASE("overlap: only the gradient goes over the second stream, and all of it before the update") {
  const std::vector<std::string> texts = errors(2, [](Communicator& communicator) {
    for (const bool overlap : {true, false}) {
      auto& ranks = dynamic_cast<DeviceRanks&>(communicator);
      const auto engine = make_engine(communicator, {overlap, false, 1, kSmall});
      void* const main = engine->backend().stream_handle();
      std::size_t before_update = 0, at_once = 0;
      engine->observe_parts([&](StepPart part, void*) {
        if (part == StepPart::kBackward) ranks.streams.clear();
        if (part == StepPart::kUpdate) before_update = ranks.streams.size();
        if (part == StepPart::kHeadUpdate) at_once = ranks.streams.size();
      });
      Result result;
      run_steps(*engine, communicator, result);
      require(at_once > 3 && before_update == (overlap ? at_once : 0),
              "{} sums, {} of them before the update", at_once, before_update);
      for (void* const stream : ranks.streams)
        require((stream != main) == overlap, "a sum on the {} stream", stream == main ? "first" : "second");
    }
  });
  REQUIRE(texts == std::vector<std::string>(2));
}
#endif
