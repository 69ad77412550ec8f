// Files that are either whole or absent: written under a temporary name in the same folder, synced, renamed,
// and the folder synced. A full disk, a kill or a power cut leaves the file of the same name as it was.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace qcface {

class AtomicFile {
 public:
  /// Opens "<path>.tmp" beside path. Throws Error naming the file.
  explicit AtomicFile(std::filesystem::path path);
  /// Without commit() the temporary file is removed.
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Appends; throws Error naming the file and the system's reason (for example "No space left on device").
  void write(const void* data, std::size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// Sync, rename over path, sync the folder.
  void commit();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int fd_ = -1;
};

/// Whole file in one call.
void write_file_atomically(const std::filesystem::path& path, std::string_view content);
/// Reads a whole file; throws Error naming it.
std::string read_file(const std::filesystem::path& path);

}  // namespace qcface
