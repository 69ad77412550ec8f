// Kernels with one injected bug each. Tests expect the emulator, or a sanitizer, to notice every one.
#pragma once

#include <string>
#include <vector>

namespace qcface::test {

enum class Noticed {
  kReport,     // the launch throws, and the text holds `text`
  kWrong,      // the result is wrong in at least one of the four modes
  kSanitizer,  // AddressSanitizer or UndefinedBehaviorSanitizer stops the program with `text`
};

struct Fault {
  const char* name;
  Noticed how;
  const char* text;
  bool race;      // ThreadSanitizer reports a data race in every mode, unless the launch throws `text`
  bool (*run)();  // whether the result was right
};

const std::vector<Fault>& faults();
/// The same kernels without a bug: right in every mode, and no sanitizer objects.
const std::vector<Fault>& sound_kernels();

std::vector<Fault> small_faults();     // faults_small.cu
std::vector<Fault> pipeline_faults();  // faults_pipeline.cu; the last two are sound

}  // namespace qcface::test
