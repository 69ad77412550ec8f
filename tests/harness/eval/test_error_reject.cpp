// Error versus reject: the vector, a plain computation of every rule beside ours, and what cannot be told.
#include "harness/eval/measures/error_reject.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <utility>

#include "tests/harness/eval/support.h"

using namespace qcface;
using namespace qcface::eval;
using qcface::test::contains;
using qcface::test::error_of;
using qcface::test::labels_of;
using qcface::test::load_vector;
using qcface::test::make_scores;
using qcface::test::numbers;
using qcface::test::relative_error;

namespace {

constexpr double kTight = 1e-12;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Pairs {
  std::vector<double> scores, quality;
  std::vector<char> same;
};

// Scores with ties, and qualities with ties that go with the genuine scores.
Pairs random_pairs(std::uint64_t seed, int count) {
  const auto made = make_scores(seed, count, 0.35, 0.01);
  Pairs pairs{made.scores, {}, made.same};
  RandomStream random(seed + 100, RandomPurpose::kTest);
  for (std::size_t i = 0; i < pairs.scores.size(); ++i)
    pairs.quality.push_back(
        std::round(20 + 8 * (pairs.same[i] ? pairs.scores[i] : 0.0) + 3 * random.normal()));
  return pairs;
}

// The comparisons that are left after the first m of those chosen, in the order of quality.
std::vector<std::size_t> left_after(const Pairs& pairs, bool genuine_alone, double share) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < pairs.same.size(); ++i) {
    if (!genuine_alone || pairs.same[i]) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return pairs.quality[a] < pairs.quality[b]; });
  const double m = std::floor(share * static_cast<double>(order.size()) + 1e-9);
  order.erase(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(m));
  return order;
}

// FNMR of one point, straight from the definition; O(n^2) for the nearest rule.
double plain_fnmr(const Pairs& pairs, RejectRule rule, double fmr, double share) {
  std::vector<double> impostors, genuine, observed;
  for (const std::size_t i : left_after(pairs, false, rule == RejectRule::kFixed ? 0 : share))
    (pairs.same[i] ? genuine : impostors).push_back(pairs.scores[i]);
  if (rule == RejectRule::kFixed) {
    genuine.clear();
    for (const std::size_t i : left_after(pairs, true, share)) genuine.push_back(pairs.scores[i]);
  }
  if (impostors.empty()) return kNan;
  const double n = static_cast<double>(impostors.size());
  double t = kNan;
  if (rule == RejectRule::kNearest) {
    observed = impostors;
    observed.insert(observed.end(), genuine.begin(), genuine.end());
    std::sort(observed.begin(), observed.end());
    double best = std::numeric_limits<double>::infinity(), best_rate = -1;
    for (const double score : observed) {
      const double rate = static_cast<double>(std::count_if(impostors.begin(), impostors.end(),
                                                            [&](double s) { return s >= score; })) /
                          n;
      const double distance = std::fabs(rate - fmr);
      if (distance < best || (distance == best && rate > best_rate)) {
        best = distance;
        best_rate = rate;
        t = score;
      }
    }
  } else {
    std::sort(impostors.begin(), impostors.end(), std::greater<>());
    auto k = static_cast<std::size_t>(std::floor(fmr * n + 1e-9));
    if (rule == RejectRule::kMagface) {
      k = impostors.size() - 1;
      for (double decade = 1; decade > fmr * 1.5; decade /= 10) {
        if (k == 0) return kNan;
        k /= 10;
      }
    }
    t = impostors[std::min(k, impostors.size() - 1)];
  }
  if (genuine.empty()) return 0;
  const auto missed = std::count_if(genuine.begin(), genuine.end(), [&](double s) { return s <= t; });
  return static_cast<double>(missed) / static_cast<double>(genuine.size());
}

}  // namespace

TEST_CASE("vector error_reject: every variant") {
  const auto file = load_vector("error_reject.json");
  const auto scores = numbers(file.at("similarity"));
  const auto same = labels_of(file.at("labels"));
  const auto a = numbers(file.at("quality_a")), b = numbers(file.at("quality_b"));
  const auto grid = numbers(file.at("reject_grid"));
  std::vector<double> quality;
  for (std::size_t i = 0; i < a.size(); ++i) quality.push_back(std::min(a[i], b[i]));
  REQUIRE(grid.size() == kRejectSteps);
  for (int i = 0; i < kRejectSteps; ++i)
    REQUIRE(std::fabs(reject_share(i) - grid[static_cast<std::size_t>(i)]) <= 1e-15);
  const auto require_curve = [](const ErrorReject& curve, const nlohmann::json& want) {
    for (std::size_t i = 0; i < want.size(); ++i) {
      CAPTURE(i);
      REQUIRE(std::fabs(curve.fnmr[i] - want[i].get<double>()) <= kTight);
    }
  };

  for (const auto& [key, fmr] : {std::pair{"fmr_1e-2", 1e-2}, std::pair{"fmr_1e-1", 1e-1}}) {
    CAPTURE(key);
    const RejectRequest requests[] = {{RejectRule::kFixed, fmr}, {RejectRule::kRefit, fmr}};
    const auto curves = error_versus_reject(scores, same, quality, requests);
    const ErrorReject& fixed = curves[0];
    const auto& want = file.at("fixed_threshold").at(key);
    REQUIRE(fixed.threshold == want.at("threshold").get<double>());
    REQUIRE(relative_error(fixed.fmr_at_threshold, want.at("fmr_at_threshold")) <= kTight);
    REQUIRE(fixed.genuine == want.at("n_genuine").get<std::int64_t>());
    REQUIRE(relative_error(fixed.fnmr_at_zero, want.at("fnmr_at_zero")) <= kTight);
    REQUIRE(want.at("curve").size() == kRejectSteps);
    require_curve(fixed, want.at("curve"));
    REQUIRE(relative_error(fixed.area.value(), want.at("auc_trapezoid")) <= kTight);
    REQUIRE(fixed.partial.size() == 2);
    for (const PartialArea& partial : fixed.partial) {
      const std::string limit = partial.limit == 0.2 ? "0.2" : "0.3";
      REQUIRE(relative_error(partial.area, want.at("pauc_exact").at(limit)) <= kTight);
      REQUIRE(relative_error(partial.normalised.value(), want.at("pauc_normalised").at(limit)) <= kTight);
    }
    REQUIRE(file.at("refit_all_pairs").at(key).size() == kRejectSteps);
    require_curve(curves[1], file.at("refit_all_pairs").at(key));
  }

  const RejectRequest others[] = {{RejectRule::kMagface, 1e-3}, {RejectRule::kNearest, 1e-2}};
  const auto curves = error_versus_reject(scores, same, quality, others);
  const auto& magface = file.at("magface_style").at("fnmr");
  REQUIRE(magface.size() == 14);
  require_curve(curves[0], magface);
  // The reference shortens its list; here the points stay, empty.
  for (std::size_t i = magface.size(); i < kRejectSteps; ++i) REQUIRE(std::isnan(curves[0].fnmr[i]));
  REQUIRE(!curves[0].area.has_value());
  const auto& nearest = file.at("nearest_fmr_style");
  REQUIRE(nearest.at("fmr_1e-2").size() == kRejectSteps);
  require_curve(curves[1], nearest.at("fmr_1e-2"));
  REQUIRE(relative_error(curves[1].area.value(), nearest.at("auc_trapezoid")) <= kTight);
}

TEST_CASE("error versus reject: every point as a plain computation has it") {
  for (const int count : {40, 301, 1200}) {
    const Pairs pairs = random_pairs(static_cast<std::uint64_t>(count), count);
    for (const RejectRule rule :
         {RejectRule::kFixed, RejectRule::kRefit, RejectRule::kMagface, RejectRule::kNearest}) {
      for (const double fmr : {0.1, 0.01}) {
        if (!resolves_fmr(std::count(pairs.same.begin(), pairs.same.end(), 0), fmr) &&
            rule != RejectRule::kMagface)
          continue;
        const RejectRequest request{rule, fmr};
        const ErrorReject curve =
            error_versus_reject(pairs.scores, pairs.same, pairs.quality, {&request, 1})[0];
        for (int step = 0; step < kRejectSteps; ++step) {
          CAPTURE(count, name_of(rule), fmr, step);
          const double got = curve.fnmr[static_cast<std::size_t>(step)];
          const double want = plain_fnmr(pairs, rule, fmr, reject_share(step));
          REQUIRE(std::isnan(got) == std::isnan(want));
          if (!std::isnan(want)) REQUIRE(std::fabs(got - want) <= kTight);
        }
      }
    }
  }
}

TEST_CASE("error versus reject: a useless quality has 1, a perfect one the lower bound") {
  // 1000 genuine pairs, every tenth missed; the quality does not know them, or puts them first.
  Pairs pairs;
  for (int i = 0; i < 1000; ++i) {
    pairs.same.push_back(1);
    pairs.scores.push_back(i % 10 == 0 ? 0.1 : 0.9);
  }
  for (int i = 0; i < 1000; ++i) {
    pairs.same.push_back(0);
    pairs.scores.push_back(0.5);
  }
  const RejectRequest request{RejectRule::kFixed, 1e-2};
  pairs.quality.assign(2000, 7.0);
  const ErrorReject useless = error_versus_reject(pairs.scores, pairs.same, pairs.quality, {&request, 1})[0];
  REQUIRE(useless.fnmr_at_zero == 0.1);
  REQUIRE(std::fabs(useless.partial[0].normalised.value() - 1) < 0.01);
  for (std::size_t i = 0; i < 2000; ++i) pairs.quality[i] = pairs.scores[i];
  const ErrorReject perfect = error_versus_reject(pairs.scores, pairs.same, pairs.quality, {&request, 1})[0];
  for (int step = 0; step < kRejectSteps; ++step) {
    CAPTURE(step);
    REQUIRE(std::fabs(perfect.fnmr[static_cast<std::size_t>(step)] -
                      reject_lower_bound(0.1, reject_share(step))) <= kTight);
  }
  REQUIRE(perfect.partial[0].normalised.value() < 0.3);
}

TEST_CASE("error versus reject: without a miss the normalised area is undefined") {
  const std::vector<double> scores{0.9, 0.8, 0.1, 0.2}, quality{1, 2, 3, 4};
  const std::vector<char> same{1, 1, 0, 0};
  const RejectRequest request{RejectRule::kFixed, 0.5};
  const ErrorReject curve = error_versus_reject(scores, same, quality, {&request, 1})[0];
  REQUIRE(curve.fnmr_at_zero == 0);
  REQUIRE(curve.partial.size() == 2);
  REQUIRE(!curve.partial[0].normalised.has_value());
  REQUIRE(curve.partial[0].area == 0);
}

TEST_CASE("error versus reject: bad input is named") {
  const std::vector<double> scores{0.9, 0.8, 0.1, 0.2};
  const std::vector<char> same{1, 1, 0, 0};
  const auto error = [&](std::vector<double> quality, RejectRequest request) {
    return error_of([&] { (void)error_versus_reject(scores, same, quality, {&request, 1}); });
  };
  REQUIRE(contains(error({1, 2, 3}, {}), "3 qualities for 4 scores"));
  REQUIRE(contains(error({1, 2, kNan, 4}, {}), "quality of pair 2"));
  REQUIRE(contains(error({1, 2, 3, 4}, {RejectRule::kFixed, 1e-3}), "below 1/2"));
  REQUIRE(contains(error({1, 2, 3, 4}, {RejectRule::kMagface, 0.02}), "powers of ten"));
  REQUIRE(contains(error({1, 2, 3, 4}, {RejectRule::kRefit, 0}), "expected 0 < FMR < 1"));
}
