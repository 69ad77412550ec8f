// Made-up embeddings and requests of the sizes that scoring is measured at.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/eval/made_rows.h"
#include "nn/scoring/scorer.h"

namespace qcface::bench {

/// Row i is of subject i % subjects.
inline std::vector<float> subject_rows(std::int64_t count, std::int64_t width, std::int64_t subjects,
                                       std::uint64_t first) {
  std::vector<float> values(static_cast<std::size_t>(count * width));
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < count; ++i) {
    make_row(first + static_cast<std::uint64_t>(i), i % subjects, width, values.data() + i * width);
  }
  return values;
}

/// Templates of 3,531 subjects and pairs of them, as IJB-C has: the first 19,557 of one person, the others as they come.
struct PairCase {
  std::int64_t width = 512, templates = 23124;
  std::vector<float> rows;
  std::vector<nn::RowPair> pairs;
  std::vector<char> same;
  nn::RowsView view() const { return {templates, width, rows.data(), nullptr}; }
};
inline PairCase pair_case(double scale, std::int64_t width) {
  const auto scaled = [scale](double count) {
    return std::max<std::int64_t>(std::llround(count * scale), 16);
  };
  PairCase c;
  c.width = width;
  c.templates = 2 * scaled(23124 / 2);
  const std::int64_t subjects = scaled(3531), genuine = scaled(19557), count = scaled(15658489);
  c.rows = subject_rows(c.templates, width, subjects, 1u << 20);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint64_t bits = mixed(static_cast<std::uint64_t>(i));
    const auto a = static_cast<std::int64_t>((bits & 0xFFFFFFFFu) % static_cast<std::uint64_t>(c.templates));
    auto b = static_cast<std::int64_t>((bits >> 32) % static_cast<std::uint64_t>(c.templates));
    if (i < genuine) b = (a + subjects) % c.templates;
    c.pairs.push_back({static_cast<std::int32_t>(a), static_cast<std::int32_t>(b)});
    c.same.push_back(a % subjects == b % subjects ? 1 : 0);
  }
  return c;
}

/// Probe i is of subject i % subjects, and so are `mated` rows of the gallery; the others are of nobody.
struct IdentifyCase {
  std::string name;
  std::int64_t probes = 0, gallery = 0, subjects = 0, mated = 0;
  int top = 20;
  std::int64_t impostors = 0;
  bool two_parts = false;
  double cpu_share = 1;  // of the probes that the CPU is timed with
};
struct IdentifyData {
  std::vector<float> probes, gallery;
  std::vector<std::int64_t> mate_begin{0};
  std::vector<std::int32_t> mates;
};
inline IdentifyData identify_data(const IdentifyCase& c, std::int64_t width) {
  IdentifyData data;
  data.probes = subject_rows(c.probes, width, c.subjects, 1u << 20);
  data.gallery = subject_rows(c.gallery, width, c.subjects, std::uint64_t{1} << 33);
  for (std::int64_t row = c.mated; row < c.gallery; ++row) {  // of nobody: noise alone
    for (std::int64_t d = 0; d < width; d += 2) {
      const auto at = static_cast<std::size_t>(row * width + d);
      data.gallery[at] = -data.gallery[at];
    }
  }
  for (std::int64_t p = 0; p < c.probes; ++p) {
    for (std::int64_t row = p % c.subjects; row < c.mated; row += c.subjects)
      data.mates.push_back(static_cast<std::int32_t>(row));
    data.mate_begin.push_back(static_cast<std::int64_t>(data.mates.size()));
  }
  return data;
}
inline nn::IdentifyRequest identify_request(const IdentifyCase& c, const IdentifyData& data,
                                            std::int64_t width, std::int64_t probes) {
  nn::IdentifyRequest request;
  request.probes = {probes, width, data.probes.data(), nullptr};
  request.gallery = {c.gallery, width, data.gallery.data(), nullptr};
  request.mate_begin = std::span(data.mate_begin).first(static_cast<std::size_t>(probes) + 1);
  request.mates = std::span(data.mates).first(static_cast<std::size_t>(request.mate_begin.back()));
  request.top = c.top;
  request.impostors = c.impostors;
  request.mate_ranks = true;
  if (c.two_parts) request.parts = {{0, c.gallery / 2}, {c.gallery / 2, c.gallery}};
  return request;
}

}  // namespace qcface::bench
