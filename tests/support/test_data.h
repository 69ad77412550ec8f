// Where the golden and test vectors are: QCFACE_TEST_DATA if set, else tests/data of this checkout. Both hold
// golden/, vectors/ and devices/.
#pragma once

#include <cstdlib>
#include <filesystem>

namespace qcface::test {

inline std::filesystem::path data_folder() {
  if (const char* folder = std::getenv("QCFACE_TEST_DATA"); folder && *folder) return folder;
  return QCFACE_SOURCE_DIR "/tests/data";
}
inline std::filesystem::path golden(const char* file) { return data_folder() / "golden" / file; }
inline std::filesystem::path device(const char* file) { return data_folder() / "devices" / file; }
inline std::filesystem::path vectors(const char* file) { return data_folder() / "vectors" / file; }

}  // namespace qcface::test
