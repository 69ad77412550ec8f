// The engine on the CUDA backend, emulated or on a GPU, against the CPU's: a short run of a tiny network on the same batches
// gives the same curve; what a step leaves on failure; resuming; the 16-bit precisions; batches in parts.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/comm/communicator.h"
#include "core/error.h"
#include "core/random.h"
#include "harness/train/engine.h"
#ifdef QCF_EMULATE
#include "kernels/cuda/layout.h"
#endif
#include "kernels/device/runtime.h"
#include "nn/backbones/iresnet.h"
#include "tests/harness/train/plain_graph.h"
#include "tests/harness/train/rank_steps.h"
#include "tests/support/catch.h"
#include "tests/support/distance.h"

using namespace qcface;
using namespace qcface::train;

namespace {

constexpr int kSide = 16, kWidth = 16, kClasses = 5, kBatch = 6;
constexpr double kRate = 0.002;  // larger ones make a network this small chaotic

#define QCFACE_NEEDS_DEVICE() \
  if (cuda::device_count() == 0) QCFACE_SKIP("no GPU on this machine")

nn::Graph tiny(double dropout = 0.4) {
  nn::IResNetConfig config = nn::iresnet_config("mini", kWidth);
  config.widths = {8, 8, 16, 16};
  config.image_size = kSide;
  config.dropout = dropout;
  return nn::iresnet_graph(config);
}

/// A batch; the picture of a class is a pattern of its own plus noise.
struct Pictures {
  std::vector<std::uint8_t> pixels;
  std::vector<std::int64_t> labels;
  data::Batch batch;

  Pictures(std::int64_t index, std::int64_t n, bool broken = false) {
    constexpr std::int64_t plane = kSide * kSide;
    pixels.resize(static_cast<std::size_t>(n * plane * 3));
    for (std::int64_t i = 0; i < n; ++i) {
      labels.push_back((index * n + i) % kClasses);
      RandomStream noise(7, RandomPurpose::kTest, static_cast<std::uint32_t>(index),
                         static_cast<std::uint64_t>(i));
      RandomStream pattern(7, RandomPurpose::kTest, 1000, static_cast<std::uint64_t>(labels.back()));
      for (std::int64_t p = 0; p < plane * 3; ++p) {
        const int value = pattern.integer(0, 200) + noise.integer(0, 55);
        pixels[static_cast<std::size_t>(i * plane * 3 + p)] = static_cast<std::uint8_t>(value);
      }
    }
    if (broken) labels.back() = kClasses + 3;
    batch.index = index;
    batch.size = n;
    batch.pixels = pixels.data();
    batch.labels = labels;
  }
};

EngineOptions engine_options(const std::string& head = "qcface", std::int64_t classes = kClasses) {
  EngineOptions options;
  options.seed = 11;
  options.head = make_head_config(head_from_name(head));
  options.head.phase = QCF_PHASE_NORM;
  options.head.lambda = 1;
  options.head.s = 16;
  options.classes = classes;
  options.largest_batch = kBatch;
  return options;
}

const std::unique_ptr<Communicator> alone = make_single_communicator();

std::unique_ptr<Engine> make_engine(std::unique_ptr<nn::Backend> backend, const EngineOptions& options,
                                    const nn::Graph& graph = tiny()) {
  auto engine = std::make_unique<Engine>(std::move(backend), graph, options, *alone);
  engine->network().parameters().initialise(3);
  engine->head().initialise(3);
  return engine;
}
std::unique_ptr<Engine> cpu_engine(const EngineOptions& options) {
  return make_engine(nn::make_cpu_backend(1), options);
}
std::unique_ptr<Engine> cuda_engine(const EngineOptions& options,
                                    nn::Precision precision = nn::Precision::kFp32) {
  return make_engine(nn::make_cuda_backend({0, precision, false}), options);
}

struct Curve {
  std::vector<double> loss, length;
  std::vector<std::int64_t> top1, batches;
  std::vector<float> weights, class_weights;
  void add(const FinishedStep& step) {
    loss.push_back(step.head.loss);
    double sum = 0;
    for (const float z : step.head.lengths) sum += static_cast<double>(z);
    length.push_back(sum / static_cast<double>(step.head.lengths.size()));
    top1.push_back(step.head.top1);
    batches.push_back(step.order.batch);
    REQUIRE(static_cast<std::int64_t>(step.head.lengths.size()) == step.order.size);
  }
};

/// Steps [first, last); the last batch of an epoch of five is smaller.
void run_steps(Engine& engine, Curve& curve, std::int64_t first, std::int64_t last) {
  for (std::int64_t k = first; k < last; ++k) {
    const Pictures pictures(k, k % 5 == 4 ? kBatch - 2 : kBatch);
    if (const auto done = engine.step(pictures.batch, {0, k, pictures.batch.size, kRate, 0}))
      curve.add(*done);
  }
  while (const auto done = engine.finish()) curve.add(*done);
  REQUIRE(engine.pending() == 0);
}

/// Class weights, then the head's state.
std::vector<float> head_values(const nn::Head& head) {
  std::vector<float> values(static_cast<std::size_t>(head.classes() * head.width()));
  head.copy_out(nn::TensorRole::kValue, 0, values);
  for (const nn::Head::State& state : head.state())
    values.insert(values.end(), state.values.begin(), state.values.end());
  return values;
}

Curve train_curve(std::unique_ptr<Engine> engine, std::int64_t steps = 7) {
  Curve curve;
  run_steps(*engine, curve, 0, steps);
  curve.weights = test::backbone_values(engine->network().parameters());
  curve.class_weights = head_values(engine->head());
  return curve;
}

}  // namespace

TEST_CASE("engines: the CUDA engine follows the CPU engine's curve") {
  QCFACE_NEEDS_DEVICE();
  for (const char* head : {"qcface", "qcface-cur", "qcface-mv", "magface", "adaface"}) {
    const EngineOptions options = engine_options(head);
    const Curve cpu = train_curve(cpu_engine(options)), cuda = train_curve(cuda_engine(options));
    INFO(head);
    REQUIRE(cpu.loss.size() == 7);
    const Curve cpu1 = train_curve(cpu_engine(options), 1), cuda1 = train_curve(cuda_engine(options), 1);
    REQUIRE(test::distance(cuda1.weights, cpu1.weights) <= 1e-5);
    REQUIRE(test::distance(cuda1.class_weights, cpu1.class_weights) <= 1e-5);
    REQUIRE(cuda.batches == cpu.batches);
    REQUIRE(cpu.loss.back() < cpu.loss.front() - 0.1);  // it learns something
    for (std::size_t k = 0; k < cpu.loss.size(); ++k) {
      INFO("step " << k << ": loss " << cuda.loss[k] << ", CPU " << cpu.loss[k]);
      // Rounding grows with the steps; a mistake shows at once.
      const double allowed = 2e-5 * std::pow(4.0, static_cast<double>(k));
      REQUIRE(std::fabs(cuda.loss[k] - cpu.loss[k]) <= allowed * std::fabs(cpu.loss[k]));
      REQUIRE(std::fabs(cuda.length[k] - cpu.length[k]) <= allowed * cpu.length[k]);
    }
    REQUIRE(cuda.top1.front() == cpu.top1.front());
    REQUIRE(test::distance(cuda.weights, cpu.weights) <= 2e-2);
    REQUIRE(test::distance(cuda.class_weights, cpu.class_weights) <= 2e-2);
  }
}

#ifdef QCF_EMULATE
// A batch of 5 fits one more step of 64 classes into the cache than one of 6 and needs more memory for them. Steps that were
// captured as graphs keep their addresses, so a step may only use what was reserved: the head refuses anything else.
TEST_CASE("engines: a smaller last batch runs in the memory of the largest") {
  constexpr std::int64_t kMany = 600;
  const emulation::Device before = emulation::device();
  emulation::device().l2_bytes = 76000;
  cuda::DeviceFacts facts;
  REQUIRE(cuda::device_facts(0, &facts) == cudaSuccess);
  const auto bytes = [&](std::int64_t n) {
    float some = 0;
    qcf_head_args args = make_head_args();
    args.n = n;
    args.d = kWidth;
    args.k_loc = kMany;
    args.dx = args.dw = &some;
    return kernels::cuda::make_layout(QCF_PLAN_CHUNKED, facts, make_head_config(QCF_HEAD_QCFACE), args, 0,
                                      nullptr)
        .bytes;
  };
  REQUIRE(bytes(5) > bytes(6));

  const auto engine = cuda_engine(engine_options("qcface", kMany));
  std::int64_t finished = 0;
  for (std::int64_t k = 0; k < 5; ++k) {
    const Pictures pictures(k, k == 2 ? 5 : kBatch);
    finished += engine->step(pictures.batch, {0, k, pictures.batch.size, kRate, 0}).has_value();
  }
  while (engine->finish()) ++finished;
  REQUIRE(finished == 5);
  emulation::device() = before;
}
#endif

TEST_CASE("engines: with a sample of the classes the rest stays, and the CUDA engine follows the CPU's") {
  QCFACE_NEEDS_DEVICE();
  constexpr std::int64_t kMany = 300;
  EngineOptions options = engine_options("qcface-cur", kMany);
  options.sample_rate = 0.1;
  const auto changed = [&](Engine& engine, const std::vector<float>& before) {
    const std::vector<float> after = head_values(engine.head());
    std::vector<std::int64_t> rows;
    for (std::int64_t k = 0; k < kMany; ++k) {
      const auto row = [&](const std::vector<float>& values) { return values.begin() + k * kWidth; };
      if (!std::equal(row(after), row(after) + kWidth, row(before))) rows.push_back(k);
    }
    return rows;
  };
  std::vector<std::int64_t> moved;
  for (auto& engine : {cpu_engine(options), cuda_engine(options)}) {
    REQUIRE(engine->head().sample_size() == 30);
    const std::vector<float> before = head_values(engine->head());
    Curve curve;
    run_steps(*engine, curve, 0, 1);
    const std::vector<std::int64_t> rows = changed(*engine, before);
    REQUIRE(rows.size() == 30);
    for (std::int64_t label = 0; label < kClasses; ++label)
      REQUIRE(rows[static_cast<std::size_t>(label)] == label);
    if (moved.empty()) moved = rows;
    REQUIRE(rows == moved);
    run_steps(*engine, curve, 1, 2);
    REQUIRE(changed(*engine, before).size() > 40);  // others than before
  }
  const Curve cpu = train_curve(cpu_engine(options), 3), cuda = train_curve(cuda_engine(options), 3);
  for (std::size_t k = 0; k < cpu.loss.size(); ++k)
    REQUIRE(std::fabs(cuda.loss[k] - cpu.loss[k]) <= 1e-3 * std::fabs(cpu.loss[k]));
  const Curve bf16 = train_curve(cuda_engine(options, nn::Precision::kBf16), 3),
              again = train_curve(cuda_engine(options, nn::Precision::kBf16), 3);
  REQUIRE(std::isfinite(bf16.loss.back()));
  REQUIRE(bf16.class_weights == again.class_weights);
  // Every class, drawn: the bits of a head that draws none.
  options.sample_rate = 0.9999;
  REQUIRE(cpu_engine(options)->head().sample_size() == kMany);
  const Curve all = train_curve(cpu_engine(options), 3),
              plain = train_curve(cpu_engine(engine_options("qcface-cur", kMany)), 3);
  REQUIRE(all.loss == plain.loss);
  REQUIRE(all.class_weights == plain.class_weights);
}

TEST_CASE("engines: 16-bit precisions learn the same, with the same bits twice") {
  QCFACE_NEEDS_DEVICE();
  const Curve cpu = train_curve(cpu_engine(engine_options()));
  for (const nn::Precision precision : {nn::Precision::kBf16, nn::Precision::kFp16}) {
    const EngineOptions options = engine_options();
    const double unit = precision == nn::Precision::kBf16 ? 0x1p-9 : 0x1p-12;
    const Curve cuda = train_curve(cuda_engine(options, precision)),
                again = train_curve(cuda_engine(options, precision));
    REQUIRE(std::fabs(cuda.loss[0] - cpu.loss[0]) <= 30 * unit * std::fabs(cpu.loss[0]));
    for (const double loss : cuda.loss) REQUIRE(std::isfinite(loss));
    REQUIRE(cuda.loss == again.loss);
    REQUIRE(cuda.weights == again.weights);
    REQUIRE(cuda.class_weights == again.class_weights);
  }
}

TEST_CASE("engines: a run handed from engine to engine continues bit for bit") {
  QCFACE_NEEDS_DEVICE();
  for (const nn::Precision precision : {nn::Precision::kFp32, nn::Precision::kFp16}) {
    const EngineOptions options = engine_options("qcface-cur");
    const Curve whole = train_curve(cuda_engine(options, precision), 6);
    Curve parts;
    auto first = cuda_engine(options, precision);
    nn::ParameterStore& store = first->network().parameters();
    run_steps(*first, parts, 0, 3);

    auto second = cuda_engine(options, precision);
    nn::ParameterStore& resumed = second->network().parameters();
    for (std::size_t i = 0; i < store.tensors().size(); ++i) {
      const nn::TensorSpec& spec = store.tensors()[i];
      resumed.copy_in(i, store.values(spec.name));
      if (spec.kind != nn::TensorKind::kWeight) continue;
      resumed.copy_in(i, store.values(spec.name, nn::TensorRole::kSlot), nn::TensorRole::kSlot);
    }
    std::vector<float> rows(kClasses * kWidth);
    for (const nn::TensorRole role : {nn::TensorRole::kValue, nn::TensorRole::kSlot}) {
      first->head().copy_out(role, 0, rows);
      second->head().copy_in(role, 0, rows);
    }
    for (const nn::Head::State& state : first->head().state()) second->head().set_state(state);
    second->head().loaded();
    second->set_loss_scale(first->loss_scale());
    first.reset();
    run_steps(*second, parts, 3, 6);
    REQUIRE(parts.loss == whole.loss);
    REQUIRE(test::backbone_values(resumed) == whole.weights);
    REQUIRE(head_values(second->head()) == whole.class_weights);
  }
}

TEST_CASE("engines: NaN stops with the tensor's name and leaves the weights from before the step") {
  QCFACE_NEEDS_DEVICE();
  const auto engine = cuda_engine(engine_options());
  nn::ParameterStore& store = engine->network().parameters();
  Curve curve;
  run_steps(*engine, curve, 0, 2);
  const std::size_t index = store.index_of("layer2.0.conv1.weight");
  std::vector<float> weight = store.values("layer2.0.conv1.weight");
  weight[3] = NAN;
  store.copy_in(index, weight);
  const std::vector<float> other = store.values("fc.weight");
  std::string found, where;
  std::int64_t batch = -1;
  try {
    run_steps(*engine, curve, 2, 4);
  } catch (const NotFinite& error) {
    found = error.found;
    where = error.where;
    batch = error.order.batch;
  }
  REQUIRE(found == "the embeddings");
  REQUIRE(where.find("layer2.0.conv1.weight") != std::string::npos);
  REQUIRE(batch == 2);
  REQUIRE(store.values("fc.weight") == other);
  for (const float w : head_values(engine->head())) REQUIRE(std::isfinite(w));
}

TEST_CASE("engines: a label that is no class is named, and the class weights stay") {
  QCFACE_NEEDS_DEVICE();
  const auto engine = cuda_engine(engine_options());
  const std::vector<float> before = head_values(engine->head());
  const Pictures broken(0, kBatch, true);
  std::string message;
  try {
    engine->step(broken.batch, {0, 0, kBatch, 0.05, 0});
    engine->finish();
  } catch (const Error& error) {
    message = error.what();
  }
  INFO(message);
  REQUIRE(message.find("labels[5] = 8") != std::string::npos);
  REQUIRE(head_values(engine->head()) == before);
}

TEST_CASE("engines: fp16 halves its loss scale until the gradients fit") {
  QCFACE_NEEDS_DEVICE();
  const auto engine = cuda_engine(engine_options(), nn::Precision::kFp16);
  nn::ParameterStore& store = engine->network().parameters();
  engine->set_loss_scale({262144.0f, 0});
  const std::vector<float> before = store.values("fc.weight");
  Curve curve;
  run_steps(*engine, curve, 0, 1);
  REQUIRE(engine->loss_scale().scale == 131072.0f);
  REQUIRE(store.values("fc.weight") == before);  // the step was left out
  run_steps(*engine, curve, 1, 20);
  REQUIRE(engine->loss_scale().scale < 131072.0f);
  REQUIRE(engine->loss_scale().good_steps > 0);
  REQUIRE(store.values("fc.weight") != before);
}

TEST_CASE("engines: an observer is told where the parts of a step begin, and changes no bit") {
  QCFACE_NEEDS_DEVICE();
  const EngineOptions options = engine_options();
  const Curve plain = train_curve(cuda_engine(options), 4);
  const auto engine = cuda_engine(options);
  std::vector<StepPart> parts;
  bool on_a_stream = true;
  const auto observe = [&](StepPart part, void* stream) {
    parts.push_back(part);
    on_a_stream = on_a_stream && stream != nullptr;
  };
  Curve curve;
  engine->observe_parts(observe);
  run_steps(*engine, curve, 0, 1);
  const std::vector<StepPart> all{StepPart::kForward, StepPart::kHead,       StepPart::kBackward,
                                  StepPart::kUpdate,  StepPart::kHeadUpdate, StepPart::kEnd};
  REQUIRE(parts == all);
  engine->observe_parts({});
  run_steps(*engine, curve, 1, 3);
  REQUIRE(parts == all);  // nobody was told
  engine->observe_parts(observe);
  run_steps(*engine, curve, 3, 4);
  REQUIRE(parts.size() == 2 * all.size());
  REQUIRE(curve.loss == plain.loss);
  REQUIRE(head_values(engine->head()) == plain.class_weights);
}

// Without batch norm the embeddings do not depend on the other pictures of a part.
TEST_CASE(
    "engines: a batch in parts gives the head what the whole batch gives it, and moves its state once") {
  for (const bool on_gpu : {false, true}) {
    if (on_gpu && cuda::device_count() == 0) continue;
    for (const char* head : {"qcface-cur", "adaface"}) {
      std::vector<Curve> curves;
      std::vector<std::vector<float>> heads;
      for (const int parts : {1, 2, 3}) {
        EngineOptions options = engine_options(head);
        options.accumulate = parts;
        Curve curve;
        auto engine = make_engine(on_gpu ? nn::make_cuda_backend() : nn::make_cpu_backend(1), options,
                                  test::plain_graph(kSide, kWidth, 0.4));
        run_steps(*engine, curve, 0, 1);
        heads.push_back(head_values(engine->head()));
        run_steps(*engine, curve, 1, 7);
        curve.weights = test::backbone_values(engine->network().parameters());
        curves.push_back(curve);
      }
      for (std::size_t i = 1; i < curves.size(); ++i) {
        INFO((on_gpu ? "cuda, " : "cpu, ") << head << ", " << i + 1 << " parts");
        REQUIRE(curves[i].loss[0] == curves[0].loss[0]);
        REQUIRE(curves[i].length[0] == curves[0].length[0]);
        REQUIRE(heads[i] == heads[0]);  // class weights, t, length statistics
        for (std::size_t k = 1; k < curves[0].loss.size(); ++k)
          REQUIRE(std::fabs(curves[i].loss[k] - curves[0].loss[k]) <= 1e-4 * std::fabs(curves[0].loss[k]));
        REQUIRE(test::distance(curves[i].weights, curves[0].weights) <= 1e-5);
      }
    }
  }
}

TEST_CASE("engines: running statistics move once a part, and parts need less memory") {
  std::vector<float> running;
  std::size_t bytes[2] = {};
  for (const int parts : {1, 2}) {
    EngineOptions options = engine_options();
    options.accumulate = parts;
    auto engine = make_engine(nn::make_cpu_backend(1), options);
    nn::ParameterStore& store = engine->network().parameters();
    const Pictures pictures(0, kBatch);
    engine->step(pictures.batch, {0, 0, kBatch, kRate, 0});
    bytes[parts - 1] = engine->network().arena_bytes();
    const std::vector<float> mean = store.values("bn1.running_mean");
    if (parts == 1) {
      running = mean;
      continue;
    }
    // The mean of the whole batch, a, and of its halves, b1 and b2: 0.9 a, and 0.1 * 0.9 b1 + 0.9 b2, with a = (b1 + b2) / 2.
    auto second = make_engine(nn::make_cpu_backend(1), engine_options());
    Pictures second_half(0, kBatch);
    second_half.batch.pixels += kBatch / 2 * kSide * kSide * 3;
    second_half.batch.labels = second_half.batch.labels.subspan(kBatch / 2);
    second->step(second_half.batch, {0, 0, kBatch / 2, kRate, 0});
    const std::vector<float> last = second->network().parameters().values("bn1.running_mean");  // 0.9 b2
    for (std::size_t c = 0; c < mean.size(); ++c) {
      const float first = 2 * running[c] - last[c];  // 0.9 b1
      REQUIRE(std::fabs(mean[c] - (0.1f * first + last[c])) <= 1e-5f * (1 + std::fabs(mean[c])));
    }
  }
  REQUIRE(bytes[1] < 0.7 * static_cast<double>(bytes[0]));
}
