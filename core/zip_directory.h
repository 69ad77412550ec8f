// The directory of a zip archive whose entries are stored as they are, as PyTorch writes them: data-formats.md section 5. The
// central directory is what counts (sizes in local headers may be 0), with Zip64 fields where they stand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>

namespace qcface {

struct ZipEntry {
  std::size_t offset = 0;  // of the data in the file
  std::span<const std::byte> bytes;
  std::uint32_t crc = 0;
};

/// Entries by name.
using ZipDirectory = std::map<std::string, ZipEntry>;

bool is_zip(std::span<const std::byte> bytes);
/// `file` is what messages call it. Throws Error naming the file and the byte: no directory (cut off), an offset past the end, a
/// local header that is none or of another name, entries that are compressed or encrypted, that overlap, or of one name.
ZipDirectory read_zip_directory(const std::string& file, std::span<const std::byte> bytes);
/// Compares the data with its CRC-32; throws Error naming the file, the entry and the byte.
void check_crc(const std::string& file, const std::string& name, const ZipEntry& entry);

}  // namespace qcface
