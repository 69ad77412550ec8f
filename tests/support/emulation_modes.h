// Runs a test of emulated kernels in every mode of the emulator.
#pragma once

#include <cstdlib>
#include <string>

#include "kernels/emulation/options.h"
#include "tests/support/catch.h"

namespace qcface::test {

/// Calls body() in the four modes of emulation::kModes, each named in a failure's report, or in one alone
/// where the environment variable QCFACE_EMULATION_MODE names it. The settings are put back afterwards.
template <class Body>
void for_each_mode(Body&& body) {
  struct PutBack {
    emulation::Options before = emulation::options();
    ~PutBack() { emulation::options() = before; }
  } put_back;
  const char* const only = std::getenv("QCFACE_EMULATION_MODE");
  int index = 0;
  for (const emulation::Mode& mode : emulation::kModes) {
    if (only == nullptr || *only == '\0' || std::to_string(index) == only) {
      INFO("emulation mode " << mode.name);
      emulation::options() = mode.options;
      body();
    }
    ++index;
  }
}

}  // namespace qcface::test
