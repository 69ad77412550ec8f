// Intervals and differences: DeLong against its definition in O(m n), bootstraps against plain ones.
#include "harness/eval/measures/interval.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "harness/eval/measures/roc.h"
#include "tests/harness/eval/support.h"

using namespace qcface;
using namespace qcface::eval;
using qcface::test::contains;
using qcface::test::error_of;
using qcface::test::make_scores;

namespace {

struct Two {
  std::vector<double> first, second;
  std::vector<char> same;
};

// Two models whose scores go together, with ties.
Two two_models(std::uint64_t seed, int pairs, double share_same = 0.5) {
  const auto made = make_scores(seed, pairs, 0.25, 0.02, share_same);
  Two two{made.scores, {}, made.same};
  RandomStream random(seed + 50, RandomPurpose::kTest);
  for (const double score : two.first)
    two.second.push_back(std::round((score + 0.1 * random.normal()) / 0.02) * 0.02);
  return two;
}

double kernel(double positive, double negative) {
  return positive > negative ? 1.0 : positive == negative ? 0.5 : 0.0;
}

// The definition: psi of every positive and negative.
struct Direct {
  double auc[2] = {0, 0};
  double covariance[2][2] = {{0, 0}, {0, 0}};
};
Direct direct(const Two& two) {
  std::vector<std::size_t> positives, negatives;
  for (std::size_t i = 0; i < two.same.size(); ++i) (two.same[i] ? positives : negatives).push_back(i);
  const double m = static_cast<double>(positives.size()), n = static_cast<double>(negatives.size());
  const std::vector<double>* scores[2] = {&two.first, &two.second};
  std::vector<double> v10[2], v01[2];
  Direct result;
  for (int r = 0; r < 2; ++r) {
    for (const std::size_t i : positives) {
      double sum = 0;
      for (const std::size_t j : negatives) sum += kernel((*scores[r])[i], (*scores[r])[j]);
      v10[r].push_back(sum / n);
    }
    for (const std::size_t j : negatives) {
      double sum = 0;
      for (const std::size_t i : positives) sum += kernel((*scores[r])[i], (*scores[r])[j]);
      v01[r].push_back(sum / m);
    }
    result.auc[r] = std::accumulate(v10[r].begin(), v10[r].end(), 0.0) / m;
  }
  for (int r = 0; r < 2; ++r) {
    for (int s = 0; s < 2; ++s) {
      double s10 = 0, s01 = 0;
      for (std::size_t i = 0; i < v10[r].size(); ++i)
        s10 += (v10[r][i] - result.auc[r]) * (v10[s][i] - result.auc[s]);
      for (std::size_t j = 0; j < v01[r].size(); ++j)
        s01 += (v01[r][j] - result.auc[r]) * (v01[s][j] - result.auc[s]);
      result.covariance[r][s] = s10 / (m - 1) / m + s01 / (n - 1) / n;
    }
  }
  return result;
}

double quantile_of(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

}  // namespace

TEST_CASE("DeLong in O(n log n) is DeLong by its definition") {
  for (const int pairs : {8, 61, 500}) {
    CAPTURE(pairs);
    const Two two = two_models(static_cast<std::uint64_t>(pairs), pairs);
    const Direct want = direct(two);
    const AucInterval first = auc_interval(two.first, two.same);
    REQUIRE(std::fabs(first.auc - want.auc[0]) <= 1e-12);
    REQUIRE(std::fabs(first.auc - auc(compute_roc(two.first, two.same))) <= 1e-12);
    const double error = std::sqrt(want.covariance[0][0]);
    REQUIRE(std::fabs(first.standard_error.value() - error) <= 1e-12);
    REQUIRE(std::fabs(first.low - std::max(0.0, want.auc[0] - 1.959963984540054 * error)) <= 1e-12);
    REQUIRE(std::fabs(first.high - std::min(1.0, want.auc[0] + 1.959963984540054 * error)) <= 1e-12);

    const Difference difference = auc_difference(two.first, two.second, two.same);
    const double variance = want.covariance[0][0] + want.covariance[1][1] - 2 * want.covariance[0][1];
    REQUIRE(variance > 0);
    REQUIRE(std::fabs(difference.difference - (want.auc[0] - want.auc[1])) <= 1e-12);
    REQUIRE(std::fabs(difference.high.value() - difference.low.value() -
                      2 * 1.959963984540054 * std::sqrt(variance)) <= 1e-12);
    const double z = std::fabs(difference.difference) / std::sqrt(variance);
    REQUIRE(std::fabs(difference.p.value() - std::erfc(z / std::sqrt(2.0))) <= 1e-12);
  }
}

TEST_CASE("DeLong: values that NumPy gives for a small case") {
  // V10 = 1, 1, .625, 1 and 1, .625, .75, 1; variances with ddof=1, the p value with math.erfc.
  const std::vector<char> same{1, 1, 1, 1, 0, 0, 0, 0};
  const std::vector<double> first{0.9, 0.8, 0.4, 0.7, 0.5, 0.4, 0.3, 0.1};
  const std::vector<double> second{0.9, 0.4, 0.5, 0.8, 0.6, 0.4, 0.3, 0.2};
  const Difference difference = auc_difference(first, second, same);
  REQUIRE(std::fabs(difference.first - 0.90625) <= 1e-15);
  REQUIRE(std::fabs(difference.second - 0.84375) <= 1e-15);
  REQUIRE(std::fabs(auc_interval(first, same).standard_error.value() - 0.11121956512532616) <= 1e-15);
  REQUIRE(std::fabs(auc_interval(second, same).standard_error.value() - 0.15095184110614) <= 1e-15);
  REQUIRE(std::fabs(difference.p.value() - 0.6170750774519738) <= 1e-12);
}

TEST_CASE("intervals: equal models do not differ; what cannot be told is left open") {
  const Two two = two_models(3, 200);
  const Difference same_model = auc_difference(two.first, two.first, two.same);
  REQUIRE(same_model.difference == 0);
  REQUIRE(same_model.p.value() == 1);
  REQUIRE(same_model.low.value() == 0);
  const double fars[] = {0.1};
  const Difference same_tar = tar_differences(two.first, two.first, two.same, fars)[0];
  REQUIRE(same_tar.low.value() == 0);
  REQUIRE(same_tar.high.value() == 0);
  REQUIRE(same_tar.p.value() == 1);

  const std::vector<double> scores{0.9, 0.1, 0.2};
  const std::vector<char> labels{1, 0, 0};
  REQUIRE(!auc_interval(scores, labels).standard_error.has_value());
  REQUIRE(!auc_difference(scores, scores, labels).p.has_value());
  const std::vector<double> shorter{0.9, 0.1};
  REQUIRE(contains(error_of([&] { (void)auc_difference(scores, shorter, labels); }), "second model"));
  REQUIRE(contains(error_of([&] {
                     (void)tar_differences(scores, scores, labels, fars, {10, 0, 1, {}});
                   }),
                   "at least 40"));
}

TEST_CASE("bootstrap of TAR: the points are those of the table, signs and threads do not matter") {
  const Two two = two_models(11, 3000, 0.3);
  const double fars[] = {0.001, 0.01, 0.1};
  BootstrapOptions options{300, 5, 1, {}};
  const auto one = tar_differences(two.first, two.second, two.same, fars, options);
  options.threads = 3;
  const auto three = tar_differences(two.first, two.second, two.same, fars, options);
  const auto swapped = tar_differences(two.second, two.first, two.same, fars, options);
  const auto table = tar_at_far(compute_roc(two.first, two.same), two.first, two.same, fars);
  const auto other = tar_at_far(compute_roc(two.second, two.same), two.second, two.same, fars);
  for (std::size_t i = 0; i < one.size(); ++i) {
    CAPTURE(i);
    REQUIRE(one[i].first == table[i].tar_strict);
    REQUIRE(one[i].second == other[i].tar_strict);
    REQUIRE(one[i].low.value() == three[i].low.value());
    REQUIRE(one[i].high.value() == three[i].high.value());
    REQUIRE(one[i].p.value() == three[i].p.value());
    REQUIRE(one[i].low.value() <= one[i].difference);
    REQUIRE(one[i].high.value() >= one[i].difference);
    REQUIRE(std::fabs(swapped[i].low.value() + one[i].high.value()) <= 1e-12);
    REQUIRE(swapped[i].p.value() == one[i].p.value());
  }
}

TEST_CASE("bootstrap of TAR: drawing the tail alone is drawing all") {
  // At this size most impostors are left out; a plain bootstrap of all of them has the same spread.
  const Two two = two_models(21, 6000, 0.1);
  const double fars[] = {0.002};
  const Difference tail = tar_differences(two.first, two.second, two.same, fars, {2000, 1, 0, {}})[0];
  std::vector<std::size_t> positives, negatives;
  for (std::size_t i = 0; i < two.same.size(); ++i) (two.same[i] ? positives : negatives).push_back(i);
  RandomStream random(77, RandomPurpose::kTest);
  std::vector<double> differences;
  const auto k = static_cast<std::size_t>(0.002 * static_cast<double>(negatives.size()) + 1e-9);
  for (int replicate = 0; replicate < 1500; ++replicate) {
    std::vector<double> a, b;
    for (std::size_t i = 0; i < negatives.size(); ++i) {
      const std::size_t drawn = negatives[random.below(negatives.size())];
      a.push_back(two.first[drawn]);
      b.push_back(two.second[drawn]);
    }
    for (std::vector<double>* values : {&a, &b})
      std::nth_element(values->begin(), values->begin() + static_cast<std::ptrdiff_t>(k), values->end(),
                       std::greater<>());
    double above_a = 0, above_b = 0;
    for (std::size_t i = 0; i < positives.size(); ++i) {
      const std::size_t drawn = positives[random.below(positives.size())];
      above_a += two.first[drawn] > a[k] ? 1 : 0;
      above_b += two.second[drawn] > b[k] ? 1 : 0;
    }
    differences.push_back((above_a - above_b) / static_cast<double>(positives.size()));
  }
  const double low = quantile_of(differences, 0.025), high = quantile_of(differences, 0.975);
  const double width = high - low;
  REQUIRE(width > 0.01);
  CAPTURE(low, high, tail.low.value(), tail.high.value());
  REQUIRE(std::fabs(tail.low.value() - low) < 0.25 * width);
  REQUIRE(std::fabs(tail.high.value() - high) < 0.25 * width);
  REQUIRE(std::fabs(tail.high.value() - tail.low.value() - width) < 0.2 * width);
}

TEST_CASE("bootstrap by fold: mean, interval inside the folds' range, clear differences are told") {
  const std::vector<double> good{0.99, 0.98, 0.985, 0.99, 0.995, 0.98, 0.99, 0.985, 0.99, 0.98};
  std::vector<double> worse = good;
  for (std::size_t i = 0; i < worse.size(); ++i) worse[i] -= 0.01 + 0.001 * static_cast<double>(i % 3);
  const Difference clear = fold_difference(good, worse);
  REQUIRE(std::fabs(clear.difference - 0.0109) <= 1e-12);
  REQUIRE(clear.low.value() >= 0.01 - 1e-12);
  REQUIRE(clear.high.value() <= 0.012 + 1e-12);
  REQUIRE(clear.p.value() == 2.0 / 2001);
  REQUIRE(fold_difference(good, good).p.value() == 1);
  const std::vector<double> nine(9, 0.5);
  REQUIRE(contains(error_of([&] { (void)fold_difference(good, nine); }), "10 folds against 9"));
}
