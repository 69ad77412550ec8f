#include <algorithm>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "core/random.h"
#include "nn/backbones/iresnet.h"
#include "nn/memory_plan.h"
#include "nn/network.h"
#include "tests/support/catch.h"

using namespace qcface;
using namespace qcface::nn;

namespace {

/// Walks the steps: no two buffers alive in one step may share a byte; returns the highest byte used.
std::size_t simulate(const MemoryPlan& plan) {
  std::size_t highest = 0, live_maximum = 0;
  for (int step = 0; step < plan.steps; ++step) {
    std::vector<const PlannedBuffer*> alive;
    std::size_t live = 0;
    for (const PlannedBuffer& buffer : plan.buffers) {
      if (buffer.bytes == 0 || step < buffer.first || step > buffer.last) continue;
      alive.push_back(&buffer);
      live += (buffer.bytes + kPlanAlignment - 1) / kPlanAlignment * kPlanAlignment;
      highest = std::max(highest, buffer.offset + buffer.bytes);
    }
    live_maximum = std::max(live_maximum, live);
    std::sort(alive.begin(), alive.end(), [](auto* a, auto* b) { return a->offset < b->offset; });
    for (std::size_t i = 1; i < alive.size(); ++i) {
      INFO("step " << step << ": " << alive[i - 1]->name << " and " << alive[i]->name);
      REQUIRE(alive[i - 1]->offset + alive[i - 1]->bytes <= alive[i]->offset);
    }
  }
  REQUIRE(plan.live_peak_bytes == live_maximum);
  return highest;
}

}  // namespace

TEST_CASE("memory plan: sharing follows lifetimes") {
  const MemoryPlan plan =
      plan_memory({{"a", 1024, 0, 1}, {"b", 1024, 1, 2}, {"c", 1024, 2, 3}, {"d", 64, 0, 3}});
  REQUIRE(plan.peak_bytes == 2048 + 64);
  REQUIRE(plan.live_peak_bytes == 2048 + 64);
  REQUIRE(plan.total_bytes == 3072 + 64);
  REQUIRE(plan.buffers[0].offset == plan.buffers[2].offset);
  REQUIRE(simulate(plan) == plan.peak_bytes);
}

TEST_CASE("memory plan: random lifetimes never overlap") {
  RandomStream random(11, RandomPurpose::kTest);
  for (int round = 0; round < 200; ++round) {
    std::vector<PlannedBuffer> buffers;
    for (int i = 0, count = random.integer(0, 40); i < count; ++i) {
      const int first = random.integer(0, 30);
      buffers.push_back({std::to_string(i), static_cast<std::size_t>(random.integer(0, 5000)), first,
                         first + random.integer(0, 8)});
    }
    const MemoryPlan plan = plan_memory(buffers);
    const std::size_t highest = simulate(plan);
    REQUIRE(highest <= plan.peak_bytes);
    REQUIRE(plan.peak_bytes <= highest + kPlanAlignment);
    for (const PlannedBuffer& buffer : plan.buffers) REQUIRE(buffer.offset % kPlanAlignment == 0);
  }
  REQUIRE_THROWS_AS(plan_memory({{"x", 4, 3, 2}}), Error);
}

TEST_CASE("memory plan: an IResNet-18 step stays at its live maximum") {
  const auto backend = make_cpu_backend(2);
  Network network(iresnet_graph(iresnet_config("ir18")), *backend);
  for (const Mode mode : {Mode::kTrain, Mode::kEval}) {
    const MemoryPlan& plan = network.plan(4, mode);
    const std::size_t highest = simulate(plan);
    REQUIRE(highest <= plan.peak_bytes);
    REQUIRE(plan.peak_bytes < highest + kPlanAlignment);
    REQUIRE(plan.peak_bytes >= plan.live_peak_bytes);
    REQUIRE(static_cast<double>(plan.peak_bytes) <= 1.1 * static_cast<double>(plan.live_peak_bytes));
    REQUIRE(network.describe_plan(4, mode).find("peak") != std::string::npos);
    std::printf("%s", network.describe_plan(4, mode).c_str());
  }
  // Evaluation needs a handful of images of the first layer's size, training all of them.
  REQUIRE(network.plan(4, Mode::kEval).peak_bytes * 3 < network.plan(4, Mode::kTrain).peak_bytes);
  REQUIRE(network.plan(4, Mode::kTrain).peak_bytes * 3 < network.plan(4, Mode::kTrain).total_bytes * 2);
}
