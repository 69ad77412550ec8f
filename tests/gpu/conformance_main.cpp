// qcface_conformance [--record FILE]: runs every instruction wrapper on the GPU. Exit status 0: all agree with
// the reference; 1: some do not; 77: there is no GPU. --record writes the raw outputs as a fixture for the
// emulator's test.
#include <cuda_runtime_api.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "harness/console/standard_streams.h"
#include "kernels/device/runtime.h"
#include "tests/gpu/conformance.h"

namespace {

// Written by hand: this program must build where nothing but a CUDA toolkit is installed.
void write_fixture(const char* path, const qcface::cuda::DeviceFacts& facts, int driver,
                   const std::vector<qcface::test::ConformanceCase>& cases) {
  std::ofstream file(path);
  file.precision(9);  // enough to give every float back
  file << "{\"gpu\": \"" << facts.name << "\", \"architecture\": " << facts.architecture()
       << ", \"cuda_driver\": " << driver << ", \"cases\": {";
  for (std::size_t i = 0; i < cases.size(); ++i) {
    file << (i == 0 ? "" : ",") << "\n\"" << cases[i].name << "\": [";
    for (std::size_t k = 0; k < cases[i].got.size(); ++k) file << (k == 0 ? "" : ",") << cases[i].got[k];
    file << ']';
  }
  file << "\n}}\n";
  if (!file.flush()) throw std::runtime_error(std::string(path) + ": cannot be written");
}

int run(int argc, char** argv) {
  const char* record = nullptr;
  if (argc == 3 && std::strcmp(argv[1], "--record") == 0) {
    record = argv[2];
  } else if (argc != 1) {
    const bool help = std::strcmp(argv[1], "--help") == 0;
    std::fprintf(help ? stdout : stderr, "usage: qcface_conformance [--record FILE]\n");
    return help ? 0 : 2;
  }
  if (qcface::cuda::device_count() == 0) {
    int count = 0;
    const cudaError_t reason = cudaGetDeviceCount(&count);
    std::printf("[qcface-skip] no GPU (%s): the instruction wrappers were not run\n",
                cudaGetErrorString(reason));
    return 77;
  }
  qcface::cuda::DeviceFacts facts;
  if (qcface::cuda::device_facts(0, &facts) != cudaSuccess)
    throw std::runtime_error("cudaGetDeviceProperties failed");
  int driver = 0;
  cudaDriverGetVersion(&driver);
  std::printf("GPU %s, sm_%d\n", facts.name.c_str(), facts.architecture());
  auto cases = qcface::test::run_ampere_conformance();
  if (facts.architecture() == 90) {
    for (auto& one : qcface::test::run_hopper_conformance()) cases.push_back(std::move(one));
  } else {
    std::printf("[qcface-skip] mbarrier, TMA and wgmma need sm_90\n");
  }
  int wrong = 0;
  for (const auto& one : cases) {
    const std::string verdict = qcface::test::judge(one);
    wrong += !verdict.empty();
    std::printf("%s %s\n", verdict.empty() ? "pass" : "FAIL",
                verdict.empty() ? one.name.c_str() : verdict.c_str());
  }
  if (record != nullptr) write_fixture(record, facts, driver, cases);
  std::printf("%zu cases, %d wrong\n", cases.size(), wrong);
  return wrong == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  return qcface::run_program("qcface_conformance", [&] { return run(argc, argv); });
}
