// qcface_run_fault NAME: runs one faulty kernel in a process of its own, for faults that a sanitizer reports.
// The mode is that of QCFACE_EMULATION_MODE. Prints "right", "wrong" or the emulator's report.
#include <cstdio>
#include <cstring>
#include <exception>

#include "kernels/emulation/options.h"
#include "tests/emulation/faults.h"

int main(int argc, char** argv) {
  using namespace qcface;
  for (const auto* list : {&test::faults(), &test::sound_kernels()}) {
    for (const test::Fault& fault : *list) {
      if (argc != 2 || std::strcmp(argv[1], fault.name) != 0) continue;
      try {
        std::printf("%s\n", fault.run() ? "right" : "wrong");
        return 0;
      } catch (const std::exception& error) {
        std::printf("%s\n", error.what());
        return 1;
      }
    }
  }
  std::fprintf(stderr, "usage: qcface_run_fault NAME\n");
  return 2;
}
