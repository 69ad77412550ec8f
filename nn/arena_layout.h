// Offsets for buffers whose lifetimes are known: two buffers share bytes only if they never live together.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace qcface::nn {

struct ArenaBuffer {
  std::string name;
  std::size_t bytes = 0;
  int first = 0;           // step that writes it first
  int last = 0;            // last step that touches it, inclusive
  std::size_t offset = 0;  // result; a multiple of the alignment
};

inline constexpr std::size_t kArenaAlignment = 64;  // unless the backend asks for more

struct ArenaLayout {
  std::vector<ArenaBuffer> buffers;
  std::size_t peak_bytes = 0;  // size of the arena: highest end of any buffer
  std::size_t live_peak_bytes =
      0;                        // largest sum of the sizes of buffers alive in one step: no layout is smaller
  std::size_t total_bytes = 0;  // what one allocation a buffer would take
  int steps = 0;
};

/// Assigns offsets: largest buffers first, each at the lowest gap that fits among the buffers alive with it.
/// Deterministic. Throws Error for last < first, naming the buffer.
ArenaLayout lay_out_arena(std::vector<ArenaBuffer> buffers, std::size_t alignment = kArenaAlignment);

/// Table of the layout's figures and its largest buffers, for people.
std::string to_string(const ArenaLayout& layout, std::size_t largest = 10);

}  // namespace qcface::nn
