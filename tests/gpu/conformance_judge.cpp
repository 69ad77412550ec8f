#include <cmath>

#include "tests/gpu/conformance.h"

namespace qcface::test {

std::string judge(const ConformanceCase& one) {
  if (one.want.empty()) return one.name + ": no values";
  if (one.got.size() != one.want.size()) {
    return one.name + ": " + std::to_string(one.got.size()) + " values, expected " +
           std::to_string(one.want.size());
  }
  std::size_t wrong = 0, worst = 0;
  double largest = -1;
  bool all_zero = true;
  for (std::size_t i = 0; i < one.want.size(); ++i) {
    const double difference = std::fabs(static_cast<double>(one.got[i]) - one.want[i]);
    all_zero = all_zero && one.want[i] == 0;
    if (difference <= one.tolerance) continue;  // a NaN goes on
    ++wrong;
    if (!(difference <= largest)) {
      worst = i;
      largest = difference;
    }
  }
  if (all_zero) return one.name + ": the reference is all zero";
  if (wrong == 0) return {};
  return one.name + ": " + std::to_string(wrong) + " of " + std::to_string(one.want.size()) +
         " values are wrong; element " + std::to_string(worst) + " is " + std::to_string(one.got[worst]) +
         ", expected " + std::to_string(one.want[worst]);
}

}  // namespace qcface::test
