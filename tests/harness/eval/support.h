// Inputs of the evaluation tests.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/random.h"
#include "harness/eval/features/embedder.h"
#include "tests/support/catch.h"
#include "tests/support/test_data.h"

namespace qcface::test {

inline nlohmann::json load_vector(const char* file) {
  std::ifstream stream(vectors(file));
  INFO("vector file " << vectors(file));
  REQUIRE(stream.good());
  return nlohmann::json::parse(stream);
}

inline std::vector<double> numbers(const nlohmann::json& list) { return list.get<std::vector<double>>(); }
inline std::vector<char> labels_of(const nlohmann::json& list) {
  std::vector<char> labels;
  for (const auto& value : list) labels.push_back(value.get<double>() != 0 ? 1 : 0);
  return labels;
}

/// |got - want| as a multiple of the larger of |want| and 1e-6 of one.
inline double relative_error(double got, double want) {
  return std::fabs(got - want) / std::max(std::fabs(want), 1e-6);
}

/// Scores with ties: genuine pairs lie `gap` higher on average, values are rounded to `grain`.
struct ScoredPairs {
  std::vector<double> scores;
  std::vector<char> same;
};
inline ScoredPairs make_scores(std::uint64_t seed, int pairs, double gap, double grain,
                               double share_same = 0.5) {
  RandomStream random(seed, RandomPurpose::kTest);
  ScoredPairs made;
  for (int i = 0; i < pairs; ++i) {
    const bool same = random.coin(share_same);
    made.scores.push_back(std::round((random.normal() * 0.2 + (same ? gap : 0.0)) / grain) * grain);
    made.same.push_back(same ? 1 : 0);
  }
  return made;
}

/// Runs f and returns the message of the Error it throws; an empty text when it throws none.
template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const std::exception& error) {
    return error.what();
  }
  return {};
}
inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace qcface::test
