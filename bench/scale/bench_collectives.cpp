// Times of the collectives that a training step makes, over MPI and host memory. To be started by mpirun:
//
//   mpirun -n R qcface_bench_collectives [REPEATS]
//
// Rank 0 prints a JSON object a line: {"collective", "ranks", "bytes", "seconds"}. bytes: of the whole array (of all ranks);
// seconds: of the slowest rank, the median over the repeats.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <vector>

#include "core/comm/mpi.h"

namespace {

using qcface::array_of;
using qcface::Communicator;
using qcface::Reduce;
using Clock = std::chrono::steady_clock;

double median_seconds(Communicator& communicator, int repeats, const std::function<void()>& call) {
  std::vector<double> times;
  for (int i = -1; i < repeats; ++i) {  // the first one is not counted
    communicator.barrier();
    const Clock::time_point start = Clock::now();
    call();
    double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    communicator.all_reduce(array_of(&seconds, 1), Reduce::kMax);
    if (i >= 0) times.push_back(seconds);
  }
  std::nth_element(times.begin(), times.begin() + repeats / 2, times.end());
  return times[static_cast<std::size_t>(repeats / 2)];
}

int measure(int repeats) {
  const auto communicator = qcface::make_mpi_communicator({});
  Communicator& ranks = *communicator;
  for (std::int64_t floats = 16; floats <= std::int64_t{1} << 24; floats *= 16) {
    const std::int64_t rows = floats / 16, width = 16;
    std::vector<float> whole(static_cast<std::size_t>(floats), 1.0f);
    const std::int64_t own = qcface::share_of(rows, ranks.rank(), ranks.size()).count;
    std::vector<float> part(static_cast<std::size_t>(own * width), 1.0f);
    const auto all = array_of(whole.data(), rows, width), mine = array_of(part.data(), own, width);
    const auto report = [&](const char* name, const std::function<void()>& call) {
      const double seconds = median_seconds(ranks, repeats, call);
      if (ranks.rank() != 0) return;
      std::printf("{\"collective\": \"%s\", \"ranks\": %d, \"bytes\": %lld, \"seconds\": %.9f}\n", name,
                  ranks.size(), static_cast<long long>(4 * floats), seconds);
      std::fflush(stdout);
    };
    report("all_reduce", [&] {
      std::fill(whole.begin(), whole.end(), 1.0f);  // sums of sums would overflow
      ranks.all_reduce(all, Reduce::kSum);
    });
    report("all_gather", [&] { ranks.all_gather(mine, all); });
    report("reduce_scatter", [&] { ranks.reduce_scatter(all, mine, Reduce::kSum); });
  }
  communicator->finish();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return measure(argc > 1 ? std::max(std::atoi(argv[1]), 1) : 11);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
