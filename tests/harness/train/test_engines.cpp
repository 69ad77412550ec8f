// The CUDA engine, on the emulated device or on a GPU, against the CPU engine: a short run of a tiny network on the same
// batches gives the same curve; what a step leaves on failure; resuming; the 16-bit precisions.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/communicator.h"
#include "core/error.h"
#include "core/random.h"
#include "harness/data/normalise.h"
#include "harness/train/step_engine.h"
#ifdef QCF_EMULATE
#include "kernels/cuda/plan.h"
#endif
#include "kernels/device/runtime.h"
#include "nn/backbones/iresnet.h"
#include "tests/support/catch.h"

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

/// A batch in both forms; the picture of a class is a pattern of its own plus noise.
struct Pictures {
  std::vector<std::uint8_t> pixels;
  std::vector<float> images;
  std::vector<std::int64_t> labels;
  data::Batch batch;

  Pictures(std::int64_t index, std::int64_t n, bool broken = false) {
    constexpr std::int64_t plane = kSide * kSide;
    const data::Normaliser normaliser;
    pixels.resize(static_cast<std::size_t>(n * plane * 3));
    images.resize(pixels.size());
    for (std::int64_t i = 0; i < n; ++i) {
      labels.push_back((index * n + i) % kClasses);
      RandomStream noise(7, RandomPurpose::kTest, static_cast<std::uint32_t>(index),
                         static_cast<std::uint64_t>(i));
      RandomStream pattern(7, RandomPurpose::kTest, 1000, static_cast<std::uint64_t>(labels.back()));
      for (std::int64_t p = 0; p < plane * 3; ++p) {
        const int value = pattern.integer(0, 200) + noise.integer(0, 55);
        pixels[static_cast<std::size_t>(i * plane * 3 + p)] = static_cast<std::uint8_t>(value);
        images[static_cast<std::size_t>((i * 3 + p % 3) * plane + p / 3)] =
            normaliser.value(static_cast<int>(p % 3), value);
      }
    }
    if (broken) labels.back() = kClasses + 3;
    batch.index = index;
    batch.size = n;
    batch.images = images.data();
    batch.pixels = pixels.data();
    batch.labels = labels;
  }
};

EngineOptions engine_options(nn::Precision precision = nn::Precision::kFp32,
                             const std::string& head = "qcface") {
  EngineOptions options;
  options.precision = precision;
  options.threads = 1;
  options.seed = 11;
  options.head.loss_model = head;
  options.head.phase = "norm";
  options.head.lambda_g = 1;
  options.head.scale = 16;
  options.head.threads = 1;
  return options;
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
void run_steps(StepEngine& engine, Curve& curve, std::int64_t first, std::int64_t last) {
  for (std::int64_t k = first; k < last; ++k) {
    const Pictures pictures(k, k % 5 == 4 ? kBatch - 2 : kBatch);
    if (const auto done = engine.step(pictures.batch, {0, k, pictures.batch.size, kRate, 0}))
      curve.add(*done);
  }
  while (const auto done = engine.finish()) curve.add(*done);
  REQUIRE(engine.pending() == 0);
}

std::vector<float> backbone_weights(const nn::ParameterStore& store) {
  std::vector<float> all;
  for (const nn::TensorSpec& spec : store.tensors()) {
    const std::vector<float> v = store.values(spec.name);
    all.insert(all.end(), v.begin(), v.end());
  }
  return all;
}

Curve train_curve(bool cuda, const EngineOptions& options, std::int64_t steps = 7) {
  Head head(options.head, kClasses, kWidth);
  head.initialise(3);
  const auto communicator = make_single_communicator();
  const auto engine =
      cuda ? make_cuda_engine(tiny(), options, head) : make_cpu_engine(tiny(), options, head, *communicator);
  engine->network().parameters().initialise(3);
  engine->upload(head);
  Curve curve;
  run_steps(*engine, curve, 0, steps);
  engine->download(head);
  curve.weights = backbone_weights(engine->network().parameters());
  curve.class_weights.assign(head.weights().begin(), head.weights().end());
  if (head.has_t()) curve.class_weights.push_back(head.t());
  return curve;
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    difference += d * d;
    size += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return std::sqrt(difference / size);
}

}  // namespace

TEST_CASE("engines: the CUDA engine follows the CPU engine's curve") {
  QCFACE_NEEDS_DEVICE();
  for (const char* head : {"qcface", "qcface-cur", "qcface-mv", "magface", "adaface"}) {
    const EngineOptions options = engine_options(nn::Precision::kFp32, head);
    const Curve cpu = train_curve(false, options), cuda = train_curve(true, options);
    INFO(head);
    REQUIRE(cpu.loss.size() == 7);
    const Curve cpu1 = train_curve(false, options, 1), cuda1 = train_curve(true, options, 1);
    REQUIRE(distance(cuda1.weights, cpu1.weights) <= 1e-5);
    REQUIRE(distance(cuda1.class_weights, cpu1.class_weights) <= 1e-5);
    REQUIRE(cuda.batches == cpu.batches);
    REQUIRE(std::fabs(cpu.loss.front() - cpu.loss.back()) > 0.1);  // it learns something
    for (std::size_t k = 0; k < cpu.loss.size(); ++k) {
      INFO("step " << k << ": loss " << cuda.loss[k] << ", CPU " << cpu.loss[k]);
      // Rounding grows with the steps; a mistake shows at once.
      const double allowed = 2e-5 * std::pow(4.0, static_cast<double>(k));
      REQUIRE(std::fabs(cuda.loss[k] - cpu.loss[k]) <= allowed * std::fabs(cpu.loss[k]));
      REQUIRE(std::fabs(cuda.length[k] - cpu.length[k]) <= allowed * cpu.length[k]);
    }
    REQUIRE(cuda.top1.front() == cpu.top1.front());
    REQUIRE(distance(cuda.weights, cpu.weights) <= 2e-2);
    REQUIRE(distance(cuda.class_weights, cpu.class_weights) <= 2e-2);
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
    return kernels::cuda::make_plan(QCF_PLAN_CHUNKED, facts, make_head_config(QCF_HEAD_QCFACE), args, 0,
                                    nullptr)
        .bytes;
  };
  REQUIRE(bytes(5) > bytes(6));

  const EngineOptions options = engine_options();
  Head head(options.head, kMany, kWidth);
  head.initialise(3);
  const auto engine = make_cuda_engine(tiny(), options, head);
  engine->network().parameters().initialise(3);
  engine->upload(head);
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

TEST_CASE("engines: 16-bit precisions learn the same, with the same bits twice") {
  QCFACE_NEEDS_DEVICE();
  const Curve cpu = train_curve(false, engine_options());
  for (const nn::Precision precision : {nn::Precision::kBf16, nn::Precision::kFp16}) {
    const EngineOptions options = engine_options(precision);
    const double unit = precision == nn::Precision::kBf16 ? 0x1p-9 : 0x1p-12;
    const Curve cuda = train_curve(true, options), again = train_curve(true, options);
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
    const EngineOptions options = engine_options(precision, "qcface-cur");
    const Curve whole = train_curve(true, options, 6);
    Head head(options.head, kClasses, kWidth);
    head.initialise(3);
    Curve parts;
    auto first = make_cuda_engine(tiny(), options, head);
    nn::ParameterStore& store = first->network().parameters();
    store.initialise(3);
    first->upload(head);
    run_steps(*first, parts, 0, 3);
    first->download(head);

    auto second = make_cuda_engine(tiny(), options, head);
    nn::ParameterStore& resumed = second->network().parameters();
    resumed.momentum();
    for (std::size_t i = 0; i < store.tensors().size(); ++i) {
      const nn::TensorSpec& spec = store.tensors()[i];
      resumed.copy_in(i, store.values(spec.name));
      if (spec.kind != nn::TensorKind::kWeight) continue;
      resumed.copy_in(i, store.values(spec.name, nn::TensorRole::kMomentum), nn::TensorRole::kMomentum);
    }
    second->set_loss_scale(first->loss_scale());
    first.reset();
    second->upload(head);
    run_steps(*second, parts, 3, 6);
    second->download(head);
    REQUIRE(parts.loss == whole.loss);
    REQUIRE(backbone_weights(resumed) == whole.weights);
    std::vector<float> class_weights(head.weights().begin(), head.weights().end());
    class_weights.push_back(head.t());
    REQUIRE(class_weights == whole.class_weights);
  }
}

TEST_CASE("engines: NaN stops with the tensor's name and leaves the weights from before the step") {
  QCFACE_NEEDS_DEVICE();
  const EngineOptions options = engine_options();
  Head head(options.head, kClasses, kWidth);
  head.initialise(3);
  const auto engine = make_cuda_engine(tiny(), options, head);
  nn::ParameterStore& store = engine->network().parameters();
  store.initialise(3);
  engine->upload(head);
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
  engine->download(head);
  for (const float w : head.weights()) REQUIRE(std::isfinite(w));
}

TEST_CASE("engines: a label that is no class is named, and the class weights stay") {
  QCFACE_NEEDS_DEVICE();
  const EngineOptions options = engine_options();
  Head head(options.head, kClasses, kWidth);
  head.initialise(3);
  const auto engine = make_cuda_engine(tiny(), options, head);
  engine->network().parameters().initialise(3);
  engine->upload(head);
  const std::vector<float> before(head.weights().begin(), head.weights().end());
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
  engine->download(head);
  REQUIRE(std::equal(before.begin(), before.end(), head.weights().begin()));
}

TEST_CASE("engines: fp16 halves its loss scale until the gradients fit") {
  QCFACE_NEEDS_DEVICE();
  const EngineOptions options = engine_options(nn::Precision::kFp16);
  Head head(options.head, kClasses, kWidth);
  head.initialise(3);
  const auto engine = make_cuda_engine(tiny(), options, head);
  nn::ParameterStore& store = engine->network().parameters();
  store.initialise(3);
  engine->set_loss_scale({262144.0f, 0});
  engine->upload(head);
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
  const Curve plain = train_curve(true, options, 4);
  Head head(options.head, kClasses, kWidth);
  head.initialise(3);
  const auto engine = make_cuda_engine(tiny(), options, head);
  engine->network().parameters().initialise(3);
  engine->upload(head);
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
  engine->download(head);
  REQUIRE(std::equal(head.weights().begin(), head.weights().end(), plain.class_weights.begin()));
}
