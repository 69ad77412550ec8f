// How far values are from their reference.
#pragma once

#include <cmath>
#include <cstddef>

#include "tests/support/catch.h"

namespace qcface::test {

/// |ours - reference| / |reference| (2-norms) of lists of one size. A reference without a value other than 0 fails.
template <class Ours, class Reference>
double distance(const Ours& ours, const Reference& reference) {
  REQUIRE(ours.size() == reference.size());
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const double d = static_cast<double>(ours[i]) - static_cast<double>(reference[i]);
    difference += d * d;
    size += static_cast<double>(reference[i]) * static_cast<double>(reference[i]);
  }
  REQUIRE(size > 0);
  return std::sqrt(difference / size);
}

}  // namespace qcface::test
