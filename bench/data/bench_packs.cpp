// How fast pixels come out of a pack, beside bare copies of the same bytes in the same order, taking turns in one run:
//   qcface_bench_packs PACK [seconds] [rounds] [workers]
// A pack of pixels as `qcface data pack --pixels` makes it. `copy` takes every picture, in the shuffled order of an epoch, from
// the mapped file to the place of a batch that is as large as the loader's; `loader` is data::Loader without augmentation. A row
// of JSON a round; GB/s count the bytes of the pixels once.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "core/aligned_buffer.h"
#include "core/error.h"
#include "harness/console/standard_streams.h"
#include "harness/data/loader.h"
#include "harness/data/sets/pack_set.h"

using namespace qcface;

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

data::LoaderOptions options_of(const data::PackSet& set, int workers) {
  data::LoaderOptions options;
  options.side = set.height();
  options.workers = workers;
  options.augment = data::AugmentMode::kNone;
  return options;
}

// Pictures a second of `threads` threads that copy, each its share of every batch.
double copy_rate(const data::PackSet& set, const std::vector<std::int64_t>& order, int threads,
                 double seconds) {
  const data::LoaderOptions options = options_of(set, threads);
  const std::size_t bytes = set.stored_bytes(0);
  const auto slots = static_cast<std::size_t>((options.prefetch + 1) * options.batch_size);
  AlignedBuffer<std::uint8_t> target(slots * bytes);
  std::memset(target.data(), 0, target.bytes());
  std::vector<std::int64_t> counts(static_cast<std::size_t>(threads));
  const auto begin = Clock::now();
  const auto work = [&](int thread) {
    std::vector<std::uint8_t> buffer;
    data::StoredPicture picture;
    std::int64_t count = 0;
    for (auto i = static_cast<std::size_t>(thread); seconds_since(begin) < seconds;) {
      for (int step = 0; step < 64; ++step, i += static_cast<std::size_t>(threads), ++count) {
        if (!set.read(order[i % order.size()], buffer, picture).ok()) std::abort();
        std::memcpy(target.data() + i % slots * bytes, picture.bytes.data(), bytes);
      }
    }
    counts[static_cast<std::size_t>(thread)] = count;
  };
  std::vector<std::thread> pool;
  for (int t = 0; t < threads; ++t) pool.emplace_back(work, t);
  for (std::thread& thread : pool) thread.join();
  std::int64_t all = 0;
  for (const std::int64_t count : counts) all += count;
  return static_cast<double>(all) / seconds_since(begin);
}

double loader_rate(const data::PackSet& set, int workers, double seconds) {
  data::Loader loader(set, options_of(set, workers));
  const auto begin = Clock::now();
  for (std::int64_t epoch = 0;; ++epoch) {
    loader.start_epoch(epoch);
    while (loader.next() != nullptr) {
      if (seconds_since(begin) >= seconds)
        return static_cast<double>(loader.stats().pictures) / seconds_since(begin);
    }
  }
}

int run(int argc, char** argv) {
  const std::string first = argc > 1 ? argv[1] : "";
  if (first == "--help" || first == "-h") {
    print_and_exit("qcface_bench_packs",
                   "usage: qcface_bench_packs PACK [seconds] [rounds] [workers]\n"
                   "PACK: of pixels, as qcface data pack --pixels makes it\n");
  }
  require(!first.empty(), "expected a pack of pixels; --help shows the call");
  const data::PackSet set(argv[1]);
  require(set.kind() == data::PackKind::kPixels && set.height() == set.width(),
          "{}: expected a pack of square pixels", argv[1]);
  const double seconds = argc > 2 ? std::atof(argv[2]) : 1.0;
  const int rounds = argc > 3 ? std::atoi(argv[3]) : 5;
  const int workers = std::max(argc > 4 ? std::atoi(argv[4]) : 2, 1);
  const std::vector<std::int64_t> order = data::epoch_order(set.size(), 0, 0, true);
  const auto gigabytes = [&](double rate) { return rate * static_cast<double>(set.stored_bytes(0)) / 1e9; };
  for (int round = 0; round < rounds; ++round) {
    const double copy = copy_rate(set, order, workers, seconds), loader = loader_rate(set, workers, seconds);
    fmt::print(
        "{{\"pictures\": {}, \"side\": {}, \"workers\": {}, \"copy\": {:.0f}, \"copy_gb_s\": {:.2f}, "
        "\"loader\": {:.0f}, "
        "\"loader_gb_s\": {:.2f}, \"loader_to_copy\": {:.2f}}}\n",
        set.size(), set.height(), workers, copy, gigabytes(copy), loader, gigabytes(loader), loader / copy);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_program("qcface_bench_packs", [&] { return run(argc, argv); });
}
