// A zip archive of stored entries as PyTorch writes them (data-formats.md section 5): data on multiples of 64, padded through
// the local header's extra field; a Zip64 directory at the end, Zip64 sizes for entries of 4 GiB and more.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "core/atomic_file.h"

namespace qcface::exports {

class ZipWriter {
 public:
  /// The file must outlive the writer; its commit is the caller's.
  explicit ZipWriter(AtomicFile& file) : file_(file) {}
  using Take = std::function<void(std::span<const std::byte>)>;
  /// An entry of `bytes` bytes. `content` hands them out, in any number of blocks, and is called twice: its CRC-32 stands in
  /// front of the data.
  void add(const std::string& name, std::uint64_t bytes, const std::function<void(const Take&)>& content);
  void add(const std::string& name, const std::string& content);
  /// The directory.
  void finish();

 private:
  void write(const std::string& bytes);
  AtomicFile& file_;
  std::uint64_t offset_ = 0, entries_ = 0;
  std::string directory_;
};

}  // namespace qcface::exports
