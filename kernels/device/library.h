// Where NVIDIA's libraries lie. They are opened when a CUDA context is made and not linked, so that a run on the CPU does
// not pay for them and needs none of them installed.
//
// A library is looked for in this order:
//   1. the folders of QCFACE_LIBRARY_PATH (separated by ':'), and below each: nvidia/*/lib, */lib, lib, lib64. A Python
//      site-packages folder, or the nvidia folder in it, is enough.
//   2. the dynamic loader's own places (LD_LIBRARY_PATH, the program's run path, the system's cache)
//   3. CUDA_HOME, CUDA_PATH and /usr/local/cuda: lib64, lib, targets/*/lib
//   4. nvidia/*/lib in the site-packages of VIRTUAL_ENV and CONDA_PREFIX, and of every python3 on PATH: an environment
//      whose python3 comes first need not be in VIRTUAL_ENV.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace qcface::cuda {

/// Files to try for a library of this name, in order; the bare name stands for the loader's own places.
std::vector<std::filesystem::path> library_candidates(const std::string& file);

struct OpenedLibrary {
  void* handle = nullptr;  // null if none could be opened; never closed: libraries of CUDA do not survive it
  std::string path;        // what was opened
  std::string error;       // if none: every candidate with the loader's reason, and what to do
};
/// Opens the first candidate that can be; flags as for dlopen, purpose as in "the convolutions on CUDA".
OpenedLibrary open_library(const std::string& file, const std::string& purpose, int flags);

}  // namespace qcface::cuda
