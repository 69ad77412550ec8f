// A large file that is written from front to back under "<path>.part" and gets its name when it is whole. Unlike an
// AtomicFile it stays where the work is stopped, and is taken up again at a place that a journal knows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace qcface::convert {

class PartFile {
 public:
  /// Nothing is opened yet.
  explicit PartFile(std::filesystem::path path);
  ~PartFile();
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  static std::filesystem::path part_of(const std::filesystem::path& path);
  /// Bytes that an earlier call has left; 0 where there is no file.
  std::uint64_t left_bytes() const;
  /// Opens the file, cuts it to its first `bytes` and goes on behind them.
  void open_at(std::uint64_t bytes);

  /// Throws Error naming the file and the system's reason ("No space left on device"); what was synced before stays.
  void write(const void* data, std::size_t bytes);
  void write(std::span<const std::uint8_t> bytes) { write(bytes.data(), bytes.size()); }
  void zeros(std::size_t bytes);
  /// Of the next byte.
  std::uint64_t position() const { return written_ + buffer_.size(); }
  /// Everything so far is on disk.
  void sync();
  /// Syncs and gives it its name.
  void put_in_place();

 private:
  void flush();
  void write_out(const char* data, std::size_t bytes);

  std::filesystem::path path_, part_;
  int fd_ = -1;
  std::uint64_t written_ = 0;
  std::string buffer_;
};

/// Makes the renames of a folder's entries durable, as far as its file system offers it.
void sync_folder(const std::filesystem::path& folder);

}  // namespace qcface::convert
