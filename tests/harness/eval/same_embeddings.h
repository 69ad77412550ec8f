// Embeddings that were made in two ways.
#pragma once

#include <cstddef>

#include "harness/eval/features/extract.h"
#include "tests/support/catch.h"

namespace qcface::test {

inline void require_same(const eval::Embeddings& a, const eval::Embeddings& b) {
  REQUIRE(a.count == b.count);
  REQUIRE(a.width == b.width);
  REQUIRE(a.plain == b.plain);
  REQUIRE(a.mirrored == b.mirrored);
  REQUIRE(a.fused_columns == b.fused_columns);
  REQUIRE(a.fused == b.fused);
  REQUIRE(a.magnitudes == b.magnitudes);
  REQUIRE(a.valid == b.valid);
  REQUIRE(a.corrupt.size() == b.corrupt.size());
  for (std::size_t i = 0; i < a.corrupt.size(); ++i) {
    REQUIRE(a.corrupt[i].index == b.corrupt[i].index);
    REQUIRE(a.corrupt[i].path == b.corrupt[i].path);
    REQUIRE(a.corrupt[i].reason == b.corrupt[i].reason);
  }
}

}  // namespace qcface::test
