#include "harness/plot/svg_plot.h"

#include <cmath>
#include <limits>

#include "harness/plot/roc_plot.h"
#include "harness/report/training_plots.h"
#include "tests/harness/eval/support.h"

using namespace qcface;
using namespace qcface::report;
using qcface::test::contains;

TEST_CASE("ticks are round, inside the range and few") {
  const auto ticks = nice_ticks(0, 1, 5);
  REQUIRE(ticks.size() == 6);
  for (std::size_t i = 0; i < ticks.size(); ++i)
    REQUIRE(std::fabs(ticks[i] - 0.2 * static_cast<double>(i)) <= 1e-12);
  for (const double high : {1e-7, 0.3, 17.0, 93431.0, 1e9}) {
    const auto some = nice_ticks(0, high, 6);
    REQUIRE(some.size() >= 3);
    REQUIRE(some.size() <= 10);
    REQUIRE(some.back() <= high * (1 + 1e-9));
  }
  const auto decades = log_ticks(1e-6, 1);
  REQUIRE(decades.size() == 7);
  REQUIRE(log_ticks(0.01, 1).size() == 7);  // 1, 2, 5 in a short range
  REQUIRE(log_ticks(1e-30, 1).size() <= 9);
  REQUIRE(log_ticks(0, 1).empty());
}

TEST_CASE("a range of a few units in the last place has few ticks, and ends") {
  const double next = std::nextafter(1.0, 2.0);
  REQUIRE(nice_ticks(1.0, next, 5).size() <= 11);
  REQUIRE(nice_ticks(1e300, std::nextafter(1e300, 2e300), 5).size() <= 11);
  REQUIRE(nice_ticks(-1e17, -1e17 + 32, 5).size() <= 11);
}

TEST_CASE("tick labels are short") {
  REQUIRE(tick_label(0, 0.2) == "0");
  REQUIRE(tick_label(0.2, 0.2) == "0.2");
  REQUIRE(tick_label(20000, 5000) == "20k");
  REQUIRE(tick_label(1500, 500) == "1500");
  REQUIRE(tick_label(1e-5, 0) == "1e-5");
  REQUIRE(tick_label(0.001, 0) == "0.001");
}

TEST_CASE("a plot without finite data says so") {
  Plot plot;
  plot.title = "a < b";
  plot.series.push_back({"x", {1, 2}, {std::nan(""), std::nan("")}});
  const std::string svg = render_svg(plot);
  REQUIRE(contains(svg, "no data"));
  REQUIRE(contains(svg, "a &lt; b"));
  REQUIRE(!contains(svg, "nan"));
}

TEST_CASE("NaN breaks a line, values outside a log axis are left out, no coordinate is NaN") {
  Plot plot;
  plot.y.scale = Scale::kLog10;
  const double nan = std::nan("");
  const double infinity = std::numeric_limits<double>::infinity();
  plot.series.push_back({"line", {0, 1, 2, 3, 4, 5}, {1, 10, nan, 100, 0, -3}});
  plot.series.push_back({"dots", {0, 1}, {infinity, 5}, Mark::kPoints});
  plot.bands.push_back({"band", {0, 1, 2}, {1, nan, 2}, {3, 4, 5}});
  const std::string svg = render_svg(plot);
  REQUIRE(!contains(svg, "nan"));
  REQUIRE(!contains(svg, "inf"));
  std::size_t circles = 0;
  for (std::size_t at = svg.find("<circle cx"); at != std::string::npos; at = svg.find("<circle cx", at + 1))
    ++circles;
  REQUIRE(circles == 2);  // one point, one legend entry
}

TEST_CASE("a plot in a file needs no CSS variables") {
  Plot plot;
  plot.title = "curve";
  plot.series.push_back({"a", {1, 2}, {1, 2}, Mark::kLine, 0});
  REQUIRE(contains(render_svg(plot), "stroke=\"var(--plot-0,#2f74c0)\""));
  const std::string file = render_svg_file(plot);
  REQUIRE(!contains(file, "var("));
  REQUIRE(contains(file, "stroke=\"#2f74c0\""));
  REQUIRE(contains(file, "font-family=\"system-ui,"));
}

TEST_CASE("constant and single values get an axis") {
  for (const double value : {0.0, 5.0, -3.0, 1e-12}) {
    Plot plot;
    plot.series.push_back({"", {1, 2}, {value, value}});
    const std::string svg = render_svg(plot);
    REQUIRE(!contains(svg, "nan"));
    REQUIRE(!contains(svg, "no data"));
  }
}

TEST_CASE("ROC plot ends below the smallest FAR and keeps the point at FAR 0") {
  const Plot plot = roc_plot({{"cosine", {0, 0.004, 0.1, 1}, {0.3, 0.5, 0.9, 1}, 0, false}}, "ROC");
  REQUIRE(std::fabs(plot.x.min.value() - 1e-3) <= 1e-9);
  REQUIRE(plot.series[0].x[0] == plot.x.min.value());
  REQUIRE(plot.series[0].y[0] == 0.3);
}

TEST_CASE("long curves are averaged over groups") {
  std::vector<double> x, y;
  for (int i = 0; i < 1000; ++i) {
    x.push_back(i);
    y.push_back(i % 2 ? 3.0 : 1.0);
  }
  y[0] = std::nan("");
  const Curve curve = thin(x, y, 100);
  REQUIRE(curve.x.size() == 100);
  REQUIRE(curve.y[50] == 2);
  REQUIRE(std::isfinite(curve.y[0]));
  REQUIRE(std::fabs(curve.x[0] - 4.5) <= 1e-12);
  REQUIRE(thin(x, y, 5000).y.size() == 1000);
}
