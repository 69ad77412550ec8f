// The executable under test.
#pragma once

#include <string>
#include <vector>

#include "tests/support/process.h"

namespace qcface::test {

inline ProcessResult run_qcface(std::vector<std::string> arguments, const ProcessOptions& options = {}) {
  arguments.insert(arguments.begin(), QCFACE_EXECUTABLE);
  return run_process(arguments, options);
}

/// `script` finds the executable as "$0".
inline ProcessResult run_shell(const std::string& script, const ProcessOptions& options = {}) {
  return run_process({"/bin/sh", "-c", script, QCFACE_EXECUTABLE}, options);
}

}  // namespace qcface::test
