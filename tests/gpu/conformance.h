// One check for every instruction wrapper: a kernel that does little else, known inputs, and a plain host
// reference. Built for the GPU (program qcface_conformance) and, with the emulator, for the CPU
// (tests/emulation), from the same source.
#pragma once

#include <string>
#include <vector>

namespace qcface::test {

struct ConformanceCase {
  std::string name;
  std::vector<float> got;    // raw output of the kernel
  std::vector<double> want;  // reference
  double tolerance = 0;      // on |got - want|; 0 where inputs are small integers or only moved
};

/// sm_80: conversions, vectors, shuffles, votes, barriers, ldmatrix, mma, cp.async.
std::vector<ConformanceCase> run_ampere_conformance();
/// sm_90a: mbarrier, TMA, wgmma.
std::vector<ConformanceCase> run_hopper_conformance();

/// Empty if all is well, else what is wrong with the worst element.
std::string judge(const ConformanceCase& one);

}  // namespace qcface::test
