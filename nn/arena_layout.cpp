#include "nn/arena_layout.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"

namespace qcface::nn {
namespace {

bool together(const ArenaBuffer& a, const ArenaBuffer& b) { return a.first <= b.last && b.first <= a.last; }

}  // namespace

ArenaLayout lay_out_arena(std::vector<ArenaBuffer> buffers, std::size_t alignment) {
  const auto aligned = [&](std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; };
  ArenaLayout layout;
  for (const ArenaBuffer& buffer : buffers) {
    require(buffer.first >= 0 && buffer.last >= buffer.first,
            "arena: buffer '{}' lives from step {} to step {}", buffer.name, buffer.first, buffer.last);
    layout.steps = std::max(layout.steps, buffer.last + 1);
    layout.total_bytes += aligned(buffer.bytes);
  }
  std::vector<std::size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return buffers[a].bytes > buffers[b].bytes; });

  std::vector<std::size_t> placed;  // by offset
  for (const std::size_t index : order) {
    ArenaBuffer& buffer = buffers[index];
    const std::size_t need = aligned(buffer.bytes);
    std::size_t offset = 0;
    for (const std::size_t other : placed) {
      const ArenaBuffer& taken = buffers[other];
      if (!together(buffer, taken)) continue;
      if (taken.offset >= offset + need) break;  // the gap before it is large enough, and it is the lowest
      offset = std::max(offset, taken.offset + aligned(taken.bytes));
    }
    buffer.offset = offset;
    if (need == 0) continue;
    layout.peak_bytes = std::max(layout.peak_bytes, offset + need);
    placed.insert(
        std::upper_bound(placed.begin(), placed.end(), offset,
                         [&](std::size_t value, std::size_t i) { return value < buffers[i].offset; }),
        index);
  }
  std::vector<std::size_t> live(static_cast<std::size_t>(layout.steps), 0);
  for (const ArenaBuffer& buffer : buffers) {
    for (int step = buffer.first; step <= buffer.last; ++step)
      live[static_cast<std::size_t>(step)] += aligned(buffer.bytes);
  }
  layout.live_peak_bytes = live.empty() ? 0 : *std::max_element(live.begin(), live.end());
  layout.buffers = std::move(buffers);
  return layout;
}

std::string to_string(const ArenaLayout& layout, std::size_t largest) {
  constexpr double kMiB = 1024.0 * 1024.0;
  std::string text = fmt::format(
      "peak {:.1f} MiB (live maximum {:.1f} MiB, {:.1f} MiB in {} buffers without sharing, {} steps)\n",
      static_cast<double>(layout.peak_bytes) / kMiB, static_cast<double>(layout.live_peak_bytes) / kMiB,
      static_cast<double>(layout.total_bytes) / kMiB, layout.buffers.size(), layout.steps);
  std::vector<const ArenaBuffer*> order;
  for (const ArenaBuffer& buffer : layout.buffers) order.push_back(&buffer);
  std::stable_sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->bytes > b->bytes; });
  if (order.size() > largest) order.resize(largest);
  for (const ArenaBuffer* buffer : order) {
    text += fmt::format("  {:9.2f} MiB at {:9.2f} MiB, steps {:3} to {:3}  {}\n",
                        static_cast<double>(buffer->bytes) / kMiB, static_cast<double>(buffer->offset) / kMiB,
                        buffer->first, buffer->last, buffer->name);
  }
  return text;
}

}  // namespace qcface::nn
