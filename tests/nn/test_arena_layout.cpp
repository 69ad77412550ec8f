#include <algorithm>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "core/random.h"
#include "nn/arena_layout.h"
#include "nn/backbones/iresnet.h"
#include "nn/network.h"
#include "tests/support/catch.h"

using namespace qcface;
using namespace qcface::nn;

namespace {

/// Walks the steps: no two buffers alive in one step may share a byte; returns the highest byte used.
std::size_t simulate(const ArenaLayout& layout) {
  std::size_t highest = 0, live_maximum = 0;
  for (int step = 0; step < layout.steps; ++step) {
    std::vector<const ArenaBuffer*> alive;
    std::size_t live = 0;
    for (const ArenaBuffer& buffer : layout.buffers) {
      if (buffer.bytes == 0 || step < buffer.first || step > buffer.last) continue;
      alive.push_back(&buffer);
      live += (buffer.bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment;
      highest = std::max(highest, buffer.offset + buffer.bytes);
    }
    live_maximum = std::max(live_maximum, live);
    std::sort(alive.begin(), alive.end(), [](auto* a, auto* b) { return a->offset < b->offset; });
    for (std::size_t i = 1; i < alive.size(); ++i) {
      INFO("step " << step << ": " << alive[i - 1]->name << " and " << alive[i]->name);
      REQUIRE(alive[i - 1]->offset + alive[i - 1]->bytes <= alive[i]->offset);
    }
  }
  REQUIRE(layout.live_peak_bytes == live_maximum);
  return highest;
}

}  // namespace

TEST_CASE("arena: sharing follows lifetimes") {
  const ArenaLayout layout =
      lay_out_arena({{"a", 1024, 0, 1}, {"b", 1024, 1, 2}, {"c", 1024, 2, 3}, {"d", 64, 0, 3}});
  REQUIRE(layout.peak_bytes == 2048 + 64);
  REQUIRE(layout.live_peak_bytes == 2048 + 64);
  REQUIRE(layout.total_bytes == 3072 + 64);
  REQUIRE(layout.buffers[0].offset == layout.buffers[2].offset);
  REQUIRE(simulate(layout) == layout.peak_bytes);
}

TEST_CASE("arena: random lifetimes never overlap") {
  RandomStream random(11, RandomPurpose::kTest);
  for (int round = 0; round < 200; ++round) {
    std::vector<ArenaBuffer> buffers;
    for (int i = 0, count = random.integer(0, 40); i < count; ++i) {
      const int first = random.integer(0, 30);
      buffers.push_back({std::to_string(i), static_cast<std::size_t>(random.integer(0, 5000)), first,
                         first + random.integer(0, 8)});
    }
    const ArenaLayout layout = lay_out_arena(buffers);
    const std::size_t highest = simulate(layout);
    REQUIRE(highest <= layout.peak_bytes);
    REQUIRE(layout.peak_bytes <= highest + kArenaAlignment);
    for (const ArenaBuffer& buffer : layout.buffers) REQUIRE(buffer.offset % kArenaAlignment == 0);
  }
  REQUIRE_THROWS_AS(lay_out_arena({{"x", 4, 3, 2}}), Error);
}

TEST_CASE("arena: an IResNet-18 step stays at its live maximum") {
  const auto backend = make_cpu_backend(2);
  Network network(iresnet_graph(iresnet_config("ir18")), *backend);
  for (const Mode mode : {Mode::kTrain, Mode::kEval}) {
    const ArenaLayout& layout = network.arena_layout(4, mode);
    const std::size_t highest = simulate(layout);
    REQUIRE(highest <= layout.peak_bytes);
    REQUIRE(layout.peak_bytes < highest + kArenaAlignment);
    REQUIRE(layout.peak_bytes >= layout.live_peak_bytes);
    REQUIRE(static_cast<double>(layout.peak_bytes) <= 1.1 * static_cast<double>(layout.live_peak_bytes));
    REQUIRE(network.describe_arena(4, mode).find("peak") != std::string::npos);
    std::printf("%s", network.describe_arena(4, mode).c_str());
  }
  // Evaluation needs a handful of images of the first layer's size, training all of them.
  REQUIRE(network.arena_layout(4, Mode::kEval).peak_bytes * 3 <
          network.arena_layout(4, Mode::kTrain).peak_bytes);
  REQUIRE(network.arena_layout(4, Mode::kTrain).peak_bytes * 3 <
          network.arena_layout(4, Mode::kTrain).total_bytes * 2);
}
