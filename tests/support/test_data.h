// Where the golden and test vectors are: QCFACE_TEST_DATA if set, else tests/data of this checkout. Both hold
// golden/, vectors/ and devices/.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace qcface::test {

inline std::filesystem::path data_folder() {
  if (const char* folder = std::getenv("QCFACE_TEST_DATA"); folder && *folder) return folder;
  return QCFACE_SOURCE_DIR "/tests/data";
}
/// Whether that is this checkout's set, whose numbers of cases are known; another one may hold others.
inline bool own_data() {
  std::error_code unreadable;
  return std::filesystem::equivalent(data_folder(), QCFACE_SOURCE_DIR "/tests/data", unreadable);
}
/// A set of real pictures, which is not part of the project: `name` in the folder that QCFACE_REAL_DATA names; without the
/// variable, in a folder shared/data beside this checkout. Empty where there is none.
inline std::filesystem::path real_data(const char* name) {
  const char* folder = std::getenv("QCFACE_REAL_DATA");
  const std::filesystem::path set =
      std::filesystem::path(folder && *folder ? folder : QCFACE_SOURCE_DIR "/../shared/data") / name;
  std::error_code unreadable;
  return std::filesystem::is_directory(set, unreadable) ? set : std::filesystem::path();
}
inline constexpr const char* kNoOrlFaces =
    "QCFACE_REAL_DATA names no folder with orl_faces: people s1 to s30 of the ORL set, ten pictures each";
inline std::filesystem::path golden(const char* file) { return data_folder() / "golden" / file; }
inline std::filesystem::path device(const char* file) { return data_folder() / "devices" / file; }
inline std::filesystem::path vectors(const char* file) { return data_folder() / "vectors" / file; }

}  // namespace qcface::test
