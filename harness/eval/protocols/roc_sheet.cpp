#include "harness/eval/protocols/roc_sheet.h"

#include <fmt/format.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <sstream>

#include "core/npy.h"
#include "harness/eval/result.h"

namespace qcface::eval {
namespace {

// Whether (fpr, tpr) is seen apart from the curve's last point, on axes of a few hundred pixels with FAR in decades.
bool is_apart(const RocCurve& curve, double fpr, double tpr) {
  constexpr double kFactor = 1.005, kTpr = 5e-4;
  if (curve.fpr.empty()) return true;
  const double last = curve.fpr.back();
  return fpr > last * kFactor || (last == 0 && fpr > 0) || std::fabs(tpr - curve.tpr.back()) > kTpr;
}

}  // namespace

void append_roc(std::string& csv, std::string_view score, const Roc& roc) {
  for (std::size_t i = 0; i < roc.points.size(); ++i) {
    fmt::format_to(std::back_inserter(csv), "{},{},{},{}\n", score, roc.fpr(i), roc.tpr(i),
                   roc.points[i].threshold);
  }
}

std::vector<RocCurve> roc_curves(const std::string& csv) {
  std::vector<RocCurve> curves;
  std::istringstream lines(csv);
  std::string line;
  std::getline(lines, line);
  const bool sets = line.starts_with("set,");
  bool waiting = false;  // a point was left out that ends its curve, if it is the last
  double fpr = 0, tpr = 0;
  const auto add = [&] {
    curves.back().fpr.push_back(fpr);
    curves.back().tpr.push_back(tpr);
    waiting = false;
  };
  while (std::getline(lines, line)) {
    std::vector<std::string> fields = split_csv(line);
    if (sets && fields.size() > 1) {
      fields[1] = fields[0] + (fields[1] == "cosine" ? "" : ", " + fields[1]);
      fields.erase(fields.begin());
    }
    if (fields.size() < 4) continue;
    const double x = csv_number(fields[1]), y = csv_number(fields[2]);
    if (!std::isfinite(x) || !std::isfinite(y)) continue;
    if (curves.empty() || curves.back().name != fields[0]) {
      if (waiting) add();
      RocCurve& curve = curves.emplace_back();
      curve.name = fields[0];
      curve.colour = static_cast<int>(curves.size()) - 1;
      curve.dashed = sets ? fields[0].find(", ") != std::string::npos : curves.size() > 1;
    }
    fpr = x;
    tpr = y;
    waiting = true;
    if (is_apart(curves.back(), fpr, tpr)) add();
  }
  if (waiting) add();
  return curves;
}

std::string scores_npy(std::span<const double> scores, std::span<const char> same) {
  std::vector<double> rows;
  rows.reserve(2 * scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    rows.push_back(same[i] ? 1 : 0);
    rows.push_back(scores[i]);
  }
  const std::int64_t shape[] = {static_cast<std::int64_t>(scores.size()), 2};
  return npy_text(rows, shape);
}

}  // namespace qcface::eval
