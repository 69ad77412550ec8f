// Injected bugs are noticed: every faulty kernel is expected to give a report or a wrong result. These tests
// keep the emulator honest; a kernel that passes in all modes is worth something only as long as they hold.
#include <cstdlib>

#include "tests/emulation/faults.h"
#include "tests/support/catch.h"
#include "tests/support/emulation_modes.h"
#include "tests/support/process.h"

namespace qcface::test {

namespace {

#if defined(__SANITIZE_THREAD__)
constexpr bool kThreadSanitizer = true;
#else
constexpr bool kThreadSanitizer = false;
#endif
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kAddressSanitizer = true;
#else
constexpr bool kAddressSanitizer = false;
#endif

/// Runs one kernel in a process of its own, in the mode given.
ProcessResult run_alone(const Fault& fault, int mode) {
  const std::string setting = std::to_string(mode);
  const char* const before = std::getenv("QCFACE_EMULATION_MODE");
  const std::string kept = before != nullptr ? before : "";
  ::setenv("QCFACE_EMULATION_MODE", setting.c_str(), 1);
  const ProcessResult result = run_process({QCFACE_RUN_FAULT, fault.name});
  before != nullptr ? ::setenv("QCFACE_EMULATION_MODE", kept.c_str(), 1)
                    : ::unsetenv("QCFACE_EMULATION_MODE");
  return result;
}

/// The report of a launch, "right" or "wrong".
std::string run_here(const Fault& fault) {
  try {
    return fault.run() ? "right" : "wrong";
  } catch (const emulation::Error& error) {
    return error.what();
  }
}

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a pipelined product is right in every mode", "[emulation]") {
  for (const Fault& kernel : sound_kernels()) {
    INFO(kernel.name);
    for_each_mode([&] { REQUIRE(run_here(kernel) == "right"); });
  }
}

TEST_CASE("bugs that the emulator can name are reported in every mode", "[emulation][faults]") {
  int count = 0;
  for (const Fault& fault : faults()) {
    if (fault.how != Noticed::kReport || fault.race) continue;
    INFO(fault.name);
    for_each_mode([&] {
      const std::string report = run_here(fault);
      INFO(report);
      REQUIRE(holds(report, fault.text));
      REQUIRE(holds(report, ".cu:"));  // names the source line
      REQUIRE(holds(report, "kernel"));
    });
    ++count;
  }
  REQUIRE(count > 10);
}

TEST_CASE("bugs in the order of memory accesses show in at least one mode", "[emulation][faults]") {
  if (kThreadSanitizer) QCFACE_SKIP("here ThreadSanitizer's own test runs these kernels");
  for (const Fault& fault : faults()) {
    if (fault.how == Noticed::kSanitizer) continue;
    INFO(fault.name);
    int noticed = 0;
    for (const emulation::Mode& mode : emulation::kModes) {
      const emulation::Options before = emulation::options();
      emulation::options() = mode.options;
      noticed += run_here(fault) != "right";
      emulation::options() = before;
    }
    REQUIRE(noticed > 0);
  }
}

TEST_CASE("ThreadSanitizer reports a missing barrier in every mode, with the line", "[emulation][faults]") {
  if (!kThreadSanitizer) QCFACE_SKIP("needs -DQCFACE_SANITIZE=thread");
  int count = 0;
  for (const Fault& fault : faults()) {
    if (!fault.race) continue;
    for (int mode = 0; mode < 4; ++mode) {
      INFO(fault.name << " in mode " << mode);
      const ProcessResult result = run_alone(fault, mode);
      INFO(result.output);
      REQUIRE(!result.ok());
      const bool reported = *fault.text != '\0' && result.says(fault.text);
      REQUIRE((reported || result.says("WARNING: ThreadSanitizer: data race")));
      REQUIRE(result.says(".cu:"));
    }
    ++count;
  }
  REQUIRE(count >= 7);
  for (const Fault& kernel : sound_kernels()) {
    const ProcessResult result = run_alone(kernel, 3);
    INFO(kernel.name << ": " << result.output);
    REQUIRE(result.ok());
    REQUIRE(result.says("right"));
  }
}

TEST_CASE("accesses out of bounds stop the program under AddressSanitizer", "[emulation][faults]") {
  if (!kAddressSanitizer) QCFACE_SKIP("needs -DQCFACE_SANITIZE=address");
  int count = 0;
  for (const Fault& fault : faults()) {
    if (fault.how != Noticed::kSanitizer) continue;
    const ProcessResult result = run_alone(fault, 0);
    INFO(fault.name << ": " << result.output);
    REQUIRE(!result.ok());
    REQUIRE(result.says(fault.text));
    REQUIRE(result.says(".cu:"));
    ++count;
  }
  REQUIRE(count >= 4);
}

}  // namespace qcface::test
