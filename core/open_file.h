// Opening files that a user names. Only regular files are opened: a named pipe or a device of the name of a picture would
// be waited for, for ever.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace qcface {

/// Descriptor for reading, never blocking on the open; -1 with the reason in `problem` ("No such file or directory", "is a
/// named pipe, expected a regular file").
int try_open_regular(const std::filesystem::path& path, std::string& problem);
/// The same; throws Error naming the file and the reason.
int open_regular(const std::filesystem::path& path);
/// A file's bytes, read-only, as long as `memory` lives.
struct MappedFile {
  std::string path;
  std::span<const std::byte> bytes;
  std::shared_ptr<const std::byte> memory;
};
/// Its pages are the system's again until they are asked for: no longer memory of this process.
void give_back_pages(const MappedFile& file);
/// Throws Error naming the file and the reason.
MappedFile map_file(const std::filesystem::path& path);
/// "a named pipe", "a socket", "a device", "a folder", "a regular file" for a mode of stat(2).
const char* kind_of_file(unsigned mode);

}  // namespace qcface
