// Every instruction wrapper, emulated, against the host reference and against what a GPU gave (where that was
// recorded).
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/gpu/conformance.h"
#include "tests/support/catch.h"
#include "tests/support/emulation_modes.h"

namespace qcface::test {

namespace {

using Cases = std::vector<ConformanceCase>;

struct Recording {
  std::string file;
  nlohmann::json cases;
};

/// What GPUs were recorded to give for these instructions. A file that has some of the cases has them all.
std::vector<Recording> recordings_of(const Cases& cases) {
  const std::filesystem::path folder = std::filesystem::path(QCFACE_SOURCE_DIR) / "tests/data/instructions";
  std::vector<Recording> found;
  if (!std::filesystem::exists(folder)) return found;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".json") continue;
    INFO("recorded in " << entry.path().string());
    std::ifstream file(entry.path());
    Recording recording{entry.path().string(), nlohmann::json::parse(file).at("cases")};
    REQUIRE(!recording.cases.empty());
    const auto held = std::count_if(cases.begin(), cases.end(), [&](const ConformanceCase& one) {
      return recording.cases.contains(one.name);
    });
    if (held == 0) continue;  // of a GPU without these instructions
    REQUIRE(held == static_cast<std::ptrdiff_t>(cases.size()));
    found.push_back(std::move(recording));
  }
  return found;
}

void require_recorded(const Cases& cases, const std::vector<Recording>& recordings) {
  for (const Recording& recording : recordings) {
    INFO("recorded in " << recording.file);
    for (const ConformanceCase& one : cases) {
      ConformanceCase against{one.name + " (recording)", one.got, {}, 2 * one.tolerance};
      for (const auto& value : recording.cases.at(one.name)) against.want.push_back(value.get<float>());
      REQUIRE(judge(against) == "");
    }
  }
}

constexpr const char* kNoRecording =
    "tests/data/instructions holds no recording of these instructions (qcface_conformance --record makes one "
    "on a GPU)";

}  // namespace

TEST_CASE("instructions of sm_80 agree with the reference", "[conformance]") {
  for_each_mode([] {
    for (const ConformanceCase& one : run_ampere_conformance()) CHECK(judge(one) == "");
  });
}

TEST_CASE("instructions of sm_90a agree with the reference", "[conformance]") {
  for_each_mode([] {
    for (const ConformanceCase& one : run_hopper_conformance()) CHECK(judge(one) == "");
  });
}

TEST_CASE("instructions of sm_80 agree with what GPUs gave", "[conformance]") {
  const auto recordings = recordings_of(run_ampere_conformance());
  if (recordings.empty()) QCFACE_SKIP(kNoRecording);
  for_each_mode([&] { require_recorded(run_ampere_conformance(), recordings); });
}

TEST_CASE("instructions of sm_90a agree with what GPUs gave", "[conformance]") {
  const auto recordings = recordings_of(run_hopper_conformance());
  if (recordings.empty()) QCFACE_SKIP(kNoRecording);
  for_each_mode([&] { require_recorded(run_hopper_conformance(), recordings); });
}

}  // namespace qcface::test
