// Every instruction wrapper, emulated, against the host reference and against what a GPU gave (where that was
// recorded).
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/gpu/conformance.h"
#include "tests/support/catch.h"
#include "tests/support/emulation_modes.h"

namespace qcface::test {

namespace {

void compare_with_recordings(const std::vector<ConformanceCase>& cases) {
  const std::filesystem::path folder = std::filesystem::path(QCFACE_SOURCE_DIR) / "tests/data/instructions";
  if (!std::filesystem::exists(folder)) return;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".json") continue;
    INFO("recorded in " << entry.path().string());
    std::ifstream file(entry.path());
    const nlohmann::json recorded = nlohmann::json::parse(file).at("cases");
    for (const ConformanceCase& one : cases) {
      if (!recorded.contains(one.name)) continue;
      ConformanceCase against{one.name + " (recording)", one.got, {}, 2 * one.tolerance};
      for (const auto& value : recorded.at(one.name)) against.want.push_back(value.get<float>());
      REQUIRE(judge(against) == "");
    }
  }
}

}  // namespace

TEST_CASE("instructions of sm_80 agree with the reference", "[conformance]") {
  for_each_mode([] {
    const auto cases = run_ampere_conformance();
    for (const ConformanceCase& one : cases) CHECK(judge(one) == "");
    compare_with_recordings(cases);
  });
}

TEST_CASE("instructions of sm_90a agree with the reference", "[conformance]") {
  for_each_mode([] {
    const auto cases = run_hopper_conformance();
    for (const ConformanceCase& one : cases) CHECK(judge(one) == "");
    compare_with_recordings(cases);
  });
}

}  // namespace qcface::test
