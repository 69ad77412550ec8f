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

/// The smallest `data synth` there is.
inline ProcessResult draw_tiny_faces(const std::string& out, int threads, const ProcessOptions& options) {
  return run_qcface({"data",
                     "synth",
                     "--out",
                     out,
                     "--identities",
                     "2",
                     "--pictures",
                     "2",
                     "--size",
                     "32",
                     "--verify-identities",
                     "2",
                     "--pairs",
                     "20",
                     "--threads",
                     std::to_string(threads),
                     "--verify-pictures",
                     "6",
                     "--degrade-sources",
                     "0"},
                    options);
}

}  // namespace qcface::test
