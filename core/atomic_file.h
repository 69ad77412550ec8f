// Files that are either whole or absent: written under a temporary name in the same folder, synced, renamed,
// and the folder synced. A full disk, a kill or a power cut leaves the file of the same name as it was. Files of one
// result go through a FileGroup, so that they change together.
#pragma once

#include <cstddef>
#include <deque>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace qcface {

class AtomicFile {
 public:
  /// Opens "<path>.tmp" beside path. Throws Error naming the file; also where path is a folder, a device or a pipe, which
  /// the rename would replace.
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
  /// The rename alone, for one of very many files: whole after a kill or on a full disk, but after a power cut it may be
  /// there with other content. Somebody must be able to tell, by a checksum kept elsewhere.
  void commit_unsynced();

 private:
  friend class FileGroup;
  void finish(bool sync = true);  // and close: from here on the rename is all that can fail
  void put_in_place();            // rename over path
  void sync_folder() const;

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int fd_ = -1;
  bool finished_ = false;  // whole under its temporary name
};

/// Files of one result. Every file is whole and synced before the first one is renamed: an error or a stop before that
/// leaves all of them as they were, and between the renames there is nothing left to do that takes time or room.
class FileGroup {
 public:
  /// The reference holds until the group ends. Its commit() is not for the caller.
  AtomicFile& add(const std::filesystem::path& path) { return files_.emplace_back(path); }
  /// Without it nothing changes. The last file added is renamed last.
  void commit();

 private:
  std::deque<AtomicFile> files_;
};

/// Makes the folder where it is missing and tries it with a file, which it removes. To be called before hours of work
/// whose result goes there. Throws Error: "--out DIR: cannot be written: Read-only file system".
void require_writable_folder(const std::filesystem::path& folder, std::string_view flag);

/// Whole file in one call.
void write_file_atomically(const std::filesystem::path& path, std::string_view content);
/// Reads a whole file; throws Error naming it.
std::string read_file(const std::filesystem::path& path);
/// The same, a block after the other.
void read_file(const std::filesystem::path& path, const std::function<void(std::string_view)>& take);

}  // namespace qcface
