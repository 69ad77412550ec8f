#include "nn/memory_plan.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"

namespace qcface::nn {
namespace {

bool together(const PlannedBuffer& a, const PlannedBuffer& b) {
  return a.first <= b.last && b.first <= a.last;
}

}  // namespace

MemoryPlan plan_memory(std::vector<PlannedBuffer> buffers, std::size_t alignment) {
  const auto aligned = [&](std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; };
  MemoryPlan plan;
  for (const PlannedBuffer& buffer : buffers) {
    require(buffer.first >= 0 && buffer.last >= buffer.first,
            "memory plan: buffer '{}' lives from step {} to step {}", buffer.name, buffer.first, buffer.last);
    plan.steps = std::max(plan.steps, buffer.last + 1);
    plan.total_bytes += aligned(buffer.bytes);
  }
  std::vector<std::size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return buffers[a].bytes > buffers[b].bytes; });

  std::vector<std::size_t> placed;  // by offset
  for (const std::size_t index : order) {
    PlannedBuffer& buffer = buffers[index];
    const std::size_t need = aligned(buffer.bytes);
    std::size_t offset = 0;
    for (const std::size_t other : placed) {
      const PlannedBuffer& taken = buffers[other];
      if (!together(buffer, taken)) continue;
      if (taken.offset >= offset + need) break;  // the gap before it is large enough, and it is the lowest
      offset = std::max(offset, taken.offset + aligned(taken.bytes));
    }
    buffer.offset = offset;
    if (need == 0) continue;
    plan.peak_bytes = std::max(plan.peak_bytes, offset + need);
    placed.insert(
        std::upper_bound(placed.begin(), placed.end(), offset,
                         [&](std::size_t value, std::size_t i) { return value < buffers[i].offset; }),
        index);
  }
  std::vector<std::size_t> live(static_cast<std::size_t>(plan.steps), 0);
  for (const PlannedBuffer& buffer : buffers) {
    for (int step = buffer.first; step <= buffer.last; ++step)
      live[static_cast<std::size_t>(step)] += aligned(buffer.bytes);
  }
  plan.live_peak_bytes = live.empty() ? 0 : *std::max_element(live.begin(), live.end());
  plan.buffers = std::move(buffers);
  return plan;
}

std::string to_string(const MemoryPlan& plan, std::size_t largest) {
  constexpr double kMiB = 1024.0 * 1024.0;
  std::string text = fmt::format(
      "peak {:.1f} MiB (live maximum {:.1f} MiB, {:.1f} MiB in {} buffers without sharing, {} steps)\n",
      static_cast<double>(plan.peak_bytes) / kMiB, static_cast<double>(plan.live_peak_bytes) / kMiB,
      static_cast<double>(plan.total_bytes) / kMiB, plan.buffers.size(), plan.steps);
  std::vector<const PlannedBuffer*> order;
  for (const PlannedBuffer& buffer : plan.buffers) order.push_back(&buffer);
  std::stable_sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->bytes > b->bytes; });
  if (order.size() > largest) order.resize(largest);
  for (const PlannedBuffer* buffer : order) {
    text += fmt::format("  {:9.2f} MiB at {:9.2f} MiB, steps {:3} to {:3}  {}\n",
                        static_cast<double>(buffer->bytes) / kMiB, static_cast<double>(buffer->offset) / kMiB,
                        buffer->first, buffer->last, buffer->name);
  }
  return text;
}

}  // namespace qcface::nn
