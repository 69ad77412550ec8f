// The backbone's golden file, and comparisons whose tolerance comes from the file's own float32 evidence.
#pragma once

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/npy.h"
#include "nn/backbones/iresnet.h"
#include "nn/network.h"
#include "tests/nn/test_backend.h"
#include "tests/support/catch.h"
#include "tests/support/hash_generator.h"
#include "tests/support/test_data.h"

namespace qcface::test {

struct IResNetGolden {
  nlohmann::json document;
  std::vector<double> flat;

  static const IResNetGolden& get() {
    static const IResNetGolden golden = [] {
      IResNetGolden g;
      std::ifstream file(test::golden("iresnet.json"));
      g.document = nlohmann::json::parse(file);
      g.flat = read_npy(test::golden("iresnet.npy")).to_double();
      return g;
    }();
    return golden;
  }
  /// The array an [offset, count] entry points to.
  std::vector<double> array(const nlohmann::json& entry) const {
    const auto offset = entry.at(0).get<std::size_t>(), count = entry.at(1).get<std::size_t>();
    REQUIRE(offset + count <= flat.size());
    return {flat.begin() + static_cast<std::ptrdiff_t>(offset),
            flat.begin() + static_cast<std::ptrdiff_t>(offset + count)};
  }
};

/// Fills every tensor of the store from a table of the file, checking names, shapes and kinds on the way.
inline void load_table(nn::ParameterStore& store, const nlohmann::json& table, std::uint32_t seed) {
  REQUIRE(store.tensors().size() == table.size());
  for (std::size_t q = 0; q < table.size(); ++q) {
    const nn::TensorSpec& spec = store.tensors()[q];
    REQUIRE(spec.name == table[q][0].get<std::string>());
    REQUIRE(spec.shape == table[q][1].get<std::vector<std::int64_t>>());
    REQUIRE((spec.kind == nn::TensorKind::kWeight) == (table[q][2].get<std::string>() == "weight"));
    store.copy_in(q, tensor(seed, 100 + static_cast<std::uint32_t>(q), spec.elements(),
                            table[q][3].get<double>(), table[q][4].get<double>()));
  }
}

inline double norm(std::span<const float> v) {
  double sum = 0;
  for (const float x : v) sum += static_cast<double>(x) * static_cast<double>(x);
  return std::sqrt(sum);
}

/// Compares values with [2-norm, sum, first 4], allowing an error vector of length `error`: it moves the norm and
/// each element by at most its length, and the sum by at most sqrt(count) times that.
inline void require_short(const std::string& name, std::span<const float> ours, const double* golden,
                          double error) {
  INFO(name << ", allowed error length " << error);
  double sum = 0;
  for (const float x : ours) sum += static_cast<double>(x);
  INFO("norm " << norm(ours) << " golden " << golden[0] << ", sum " << sum << " golden " << golden[1]);
  REQUIRE(std::fabs(norm(ours) - golden[0]) <= error);
  REQUIRE(std::fabs(sum - golden[1]) <= error * std::sqrt(static_cast<double>(ours.size())));
  for (std::size_t i = 0; i < 4 && i < ours.size(); ++i) {
    INFO("element " << i << ": " << ours[i] << " golden " << golden[2 + i]);
    REQUIRE(std::fabs(static_cast<double>(ours[i]) - golden[2 + i]) <= error);
  }
}

}  // namespace qcface::test
