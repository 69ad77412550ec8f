// Settings and errors of the emulator: what a test needs to run kernels in several modes and to expect a
// report.
#pragma once

#include <cstdint>
#include <stdexcept>

namespace qcface::emulation {

/// Which ready thread of the block runs next.
enum class Order { kForward, kReverse, kRoundRobin, kRandom };

/// When an asynchronous operation takes effect: as soon as it is issued, only when it is waited for, or at
/// either time.
enum class Async { kEager, kLazy, kRandom };

struct Options {
  Order order = Order::kForward;
  Async copies = Async::kEager;  // cp.async and TMA
  Async matrix = Async::kEager;  // wgmma
  std::uint64_t seed = 1;        // of Order::kRandom and Async::kRandom
  bool shuffle_blocks = false;   // blocks start at a random place, upwards or downwards
};

struct Mode {
  const char* name;
  Options options;
};

/// The four modes in which every test of a kernel runs. Copies and matrix products are never lazy together:
/// an eager copy beside a lazy product shows a write before the last read, the reverse shows a read before
/// the write.
inline constexpr Mode kModes[4] = {
    {"forward+eager", {Order::kForward, Async::kEager, Async::kEager, 1, false}},
    {"reverse+eager", {Order::kReverse, Async::kEager, Async::kLazy, 1, false}},
    {"reverse+lazy", {Order::kReverse, Async::kLazy, Async::kEager, 1, false}},
    {"random+random", {Order::kRandom, Async::kRandom, Async::kRandom, 7, true}},
};

/// The settings of the next launch. They start as kModes[0], or as the mode that the environment variable
/// QCFACE_EMULATION_MODE (0 to 3) names.
Options& options();

/// What the emulator found wrong. The text names the kernel or its launch, the block, the thread, the file
/// and the line.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Counts since the program began, for tests of the emulator and for a feel of the cost.
struct Statistics {
  std::uint64_t launches = 0;
  std::uint64_t blocks = 0;
  std::uint64_t switches = 0;
  std::uint64_t block_barriers = 0;
  std::uint64_t collectives = 0;
};
Statistics& statistics();

}  // namespace qcface::emulation
