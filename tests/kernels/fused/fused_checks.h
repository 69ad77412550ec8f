// What every fused plan must pass. Plan has two functions: sums(call), and weights(call, out), which stores H to out.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/kernels/fused/fused_case.h"
#include "tests/support/emulation_modes.h"

namespace qcface::test {

template <class Plan>
std::string check_sums(const FusedCase& c) {
  const FusedInput in = make_input(c);
  const SumsRun run = run_sums(in, Plan::sums);
  REQUIRE(run.error == cu::kNoError);
  return compare_sums(in, run, reference_sums(in));
}

template <class Plan>
std::string check_weights(const FusedCase& c) {
  FusedInput in = make_input(c);
  add_factors(in, reference_sums(in));
  const std::vector<float> h = run_weights(in, Plan::weights);
  std::vector<double> want, size;
  reference_weights(in, &want, &size);
  return compare_weights(in, h, want, size);
}

/// Heads, types and settings by turns over the shapes.
inline FusedCase vary(FusedCase c, std::uint32_t i) {
  c.seed = 100 + i;
  c.kind = static_cast<qcf_head_kind>(i % 3);
  c.type = i / 3 % 2 == 0 ? QCF_TYPE_BF16 : QCF_TYPE_F16;
  c.plain = i % 4 != 0;
  return c;
}

inline const std::vector<FusedCase>& shapes() {
  static const std::vector<FusedCase> list = [] {
    std::vector<FusedCase> v;
    for (std::int64_t n : {1, 2, 15, 33, 63, 64, 65, 130}) v.push_back({n, 40, 70});  // row tiles
    for (std::int64_t d : {8, 16, 24, 120, 128, 136, 248, 256, 264, 504, 512})
      v.push_back({9, d, 70});  // widths
    for (std::int64_t k : {2, 3, 31, 32, 33, 63, 64, 65, 127, 129, 200})
      v.push_back({5, 24, k});  // class tiles
    for (std::int64_t k : {31, 33, 65, 97}) v.push_back({5, 264, k});
    return v;
  }();
  return list;
}

template <class Plan>
void test_first_pass() {
  for_each_mode([] {
    std::uint32_t i = 0;
    for (const FusedCase& shape : shapes()) {
      FusedCase c = vary(shape, i++);
      INFO("n " << c.n << " d " << c.d << " k " << c.k << " head " << c.kind << " type " << c.type);
      REQUIRE(check_sums<Plan>(c) == "");
    }
  });
}

template <class Plan>
void test_second_pass() {
  for_each_mode([] {
    std::uint32_t i = 1;
    for (const FusedCase& shape : shapes()) {
      FusedCase c = vary(shape, i++);
      if (i % 5 == 0) c.batch = 4096;  // a whole batch of other ranks' rows: small factors
      INFO("n " << c.n << " d " << c.d << " k " << c.k << " head " << c.kind << " type " << c.type);
      REQUIRE(check_weights<Plan>(c) == "");
    }
  });
}

template <class Plan>
void test_parts() {
  for_each_mode([] {
    std::uint32_t i = 0;
    for (int parts : {2, 3, 5}) {
      FusedCase c = vary({67, 48, 330}, i++);
      c.parts = parts;
      c.vectors = parts != 3;
      INFO("parts " << parts);
      REQUIRE(check_sums<Plan>(c) == "");
    }
    FusedCase c = vary({3, 16, 129}, 4);
    c.parts = 3;  // the last part holds one class
    REQUIRE(check_sums<Plan>(c) == "");
  });
}

template <class Plan>
void test_moving_shift() {
  for (const qcf_type type : {QCF_TYPE_BF16, QCF_TYPE_F16}) {
    for (int head = 0; head < 3; ++head) {
      FusedCase c{20, 16, 300};
      c.kind = static_cast<qcf_head_kind>(head);
      c.type = type;
      c.s = 128;  // logits from -128 to 256
      c.t = 0.9f;
      FusedInput in = make_input(c);
      // Class rows by rising likeness to row 0: the shift has to follow.
      const SumsReference ref = reference_sums(in);
      const SumsRun run = run_sums(in, Plan::sums);
      REQUIRE(compare_sums(in, run, ref) == "");
      int moved = 0;
      for (std::int64_t i = 0; i < c.n; ++i) {
        double first = -1e300, all = -1e300;
        for (std::int64_t j = 0; j < c.k; ++j) {
          double logit, slope;
          bool hard;
          in.logit(i, j, &logit, &slope, &hard);
          if (j == in.label[static_cast<std::size_t>(i)]) continue;
          if (j < 64) first = std::max(first, c.s * logit);
          all = std::max(all, c.s * logit);
        }
        moved += all > first + (type == QCF_TYPE_F16 ? 5 : 41);
      }
      INFO("head " << head << " type " << type);
      REQUIRE(moved > 0);
    }
  }
}

template <class Plan>
void test_nothing_to_sum() {
  FusedCase c{4, 16, 1};
  FusedInput in = make_input(c);
  in.label = {0, -1, 0, 0};
  const SumsRun run = run_sums(in, Plan::sums);
  REQUIRE(compare_sums(in, run, reference_sums(in)) == "");
  FusedCase none{0, 16, 70};
  REQUIRE(check_sums<Plan>(none) == "");
  FusedInput empty = make_input(none);
  const std::vector<float> h = run_weights(empty, Plan::weights);
  int other = 0;
  for (const float v : h) other += !(v == 0.0f);
  REQUIRE(other == 0);
}

template <class Plan>
void test_bad_class() {
  FusedCase c{6, 24, 150};
  c.parts = 2;
  FusedInput in = make_input(c);
  for (const std::size_t row : {140u, 77u, 90u}) in.w[row * 24 + 3] = 0x7FFF;
  const SumsRun run = run_sums(in, Plan::sums);
  REQUIRE(run.error == (static_cast<unsigned long long>(cu::ErrorTensor::kW) << 56 | 77));
}

template <class Plan>
void test_same_bits() {
  FusedCase c{70, 40, 200, QCF_HEAD_QCFACE_CUR};
  c.parts = 2;
  FusedInput in = make_input(c);
  add_factors(in, reference_sums(in));
  std::vector<SumsRun> sums;
  std::vector<std::vector<float>> weights;
  for_each_mode([&] {
    sums.push_back(run_sums(in, Plan::sums));
    weights.push_back(run_weights(in, Plan::weights));
  });
  for (std::size_t i = 1; i < sums.size(); ++i) {
    REQUIRE(sums[i].sum == sums[0].sum);
    REQUIRE(sums[i].shift == sums[0].shift);
    REQUIRE(sums[i].vectors == sums[0].vectors);
    REQUIRE(weights[i] == weights[0]);
  }
}

/// ThreadSanitizer reports the race itself, which ends the whole program as failed.
#if defined(__SANITIZE_THREAD__)
#define QCFACE_SKIP_DEFECTS() QCFACE_SKIP("ThreadSanitizer would report the injected races")
#else
#define QCFACE_SKIP_DEFECTS() \
  do {                        \
  } while (false)
#endif

/// Number of modes in which `run` gives something else than `right`, or an error of the emulator.
template <class Run, class Result>
int modes_that_notice(const Run& run, const Result& right) {
  int noticed = 0;
  for (const emulation::Mode& mode : emulation::kModes) {
    const emulation::Options before = emulation::options();
    emulation::options() = mode.options;
    try {
      noticed += run() != right;
    } catch (const emulation::Error&) {
      ++noticed;
    }
    emulation::options() = before;
  }
  return noticed;
}

}  // namespace qcface::test
