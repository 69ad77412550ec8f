// Repeated timing of one piece of work: warm-up sized by time, then samples until enough time has passed.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <ctime>
#include <vector>

namespace qcface::bench {

struct TimingPlan {
  double seconds = 1, warmup_seconds = 0.3;
  std::size_t least = 5, most = 400;  // samples; the bound keeps the JSON of sub-millisecond kernels readable
};

/// Seconds that a program may still start something in.
class Budget {
 public:
  explicit Budget(double seconds) : seconds_(seconds) {}
  bool used_up() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count() >= seconds_;
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double seconds_;
};

/// Milliseconds of single runs, in the order they were taken.
struct Samples {
  std::vector<double> ms;
  double cpu_ms = 0;  // processor time of all threads a run; 0 where only a device works

  /// Nearest-rank: a value that was measured, not one between two.
  double quantile(double q) const {
    if (ms.empty()) return 0;
    std::vector<double> sorted = ms;
    std::sort(sorted.begin(), sorted.end());
    return sorted[static_cast<std::size_t>(std::llround(q * static_cast<double>(sorted.size() - 1)))];
  }
  double median() const { return quantile(0.5); }
};

/// One run on the host's clocks.
class HostClock {
 public:
  template <class Work>
  void operator()(Work&& work, Samples* samples) const {
    const std::clock_t cpu = std::clock();
    const auto start = std::chrono::steady_clock::now();
    work();
    const auto end = std::chrono::steady_clock::now();
    const double taken = 1e3 * static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC;
    samples->ms.push_back(std::chrono::duration<double, std::milli>(end - start).count());
    samples->cpu_ms += (taken - samples->cpu_ms) / static_cast<double>(samples->ms.size());
  }
};

/// Calls round() until the warm-up's time has passed (what it measured is dropped by `forget`), then until `seconds`
/// have and at least `least` rounds are done. A round takes one sample of everything that is compared, so that a
/// drift of the machine's speed meets all of it.
template <class Round, class Forget>
void measure(const TimingPlan& plan, Round&& round, Forget&& forget) {
  const auto since = [](auto start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  const auto warm = std::chrono::steady_clock::now();
  do {
    round();
  } while (since(warm) < plan.warmup_seconds);
  forget();
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t done = 0; done < plan.most && (done < plan.least || since(start) < plan.seconds); ++done) {
    round();
  }
}

}  // namespace qcface::bench
