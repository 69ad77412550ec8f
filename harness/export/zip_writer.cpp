#include "harness/export/zip_writer.h"

#include <zlib.h>

#include <algorithm>

namespace qcface::exports {
namespace {

constexpr std::uint64_t kAlignment = 64;
constexpr std::uint64_t kLarge = 0xFFFFFFFF;  // from here on Zip64 has the number
constexpr int kVersion = 45;                  // Zip64
constexpr std::size_t kLocalHeader = 30, kExtraHeader = 4;

// Little-endian numbers, one behind the other.
class Record {
 public:
  Record& u16(std::uint64_t value) { return put(value, 2); }
  Record& u32(std::uint64_t value) { return put(value, 4); }
  Record& u64(std::uint64_t value) { return put(value, 8); }
  Record& text(const std::string& value) {
    bytes_ += value;
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  Record& put(std::uint64_t value, int width) {
    for (int i = 0; i < width; ++i) bytes_ += static_cast<char>(value >> (8 * i));
    return *this;
  }
  std::string bytes_;
};

// What both headers of an entry say in the same words: version, flags, method, time, date, CRC, sizes.
Record& put_common(Record& record, std::uint32_t crc, std::uint64_t bytes) {
  const std::uint64_t shown = std::min(bytes, kLarge);
  constexpr int kFirstDay = (1 << 5) | 1;  // 1980-01-01: equal weights give equal files
  return record.u16(kVersion).u16(0).u16(0).u16(0).u16(kFirstDay).u32(crc).u32(shown).u32(shown);
}

}  // namespace

void ZipWriter::write(const std::string& bytes) {
  file_.write(bytes);
  offset_ += bytes.size();
}

void ZipWriter::add(const std::string& name, std::uint64_t bytes,
                    const std::function<void(const Take&)>& content) {
  uLong crc = crc32(0, nullptr, 0);
  content([&](std::span<const std::byte> block) {
    crc = crc32_z(crc, reinterpret_cast<const Bytef*>(block.data()), block.size());
  });
  const auto checksum = static_cast<std::uint32_t>(crc);
  const std::uint64_t start = offset_;
  Record sizes;
  if (bytes >= kLarge) sizes.u16(1).u16(16).u64(bytes).u64(bytes);
  const std::uint64_t unpadded = start + kLocalHeader + name.size() + sizes.bytes().size() + kExtraHeader;
  const std::uint64_t padding = (kAlignment - unpadded % kAlignment) % kAlignment;
  Record extra;
  extra.text(sizes.bytes()).text("FB").u16(padding).text(std::string(padding, 'Z'));

  Record local;
  put_common(local.u32(0x04034b50), checksum, bytes).u16(name.size()).u16(extra.bytes().size());
  write(local.text(name).text(extra.bytes()).bytes());
  content([&](std::span<const std::byte> block) { file_.write(block.data(), block.size()); });
  offset_ += bytes;

  Record far;
  if (bytes >= kLarge) far.u64(bytes).u64(bytes);
  if (start >= kLarge) far.u64(start);
  Record zip64;
  if (!far.bytes().empty()) zip64.u16(1).u16(far.bytes().size()).text(far.bytes());
  Record entry;
  put_common(entry.u32(0x02014b50).u16(kVersion), checksum, bytes);
  entry.u16(name.size()).u16(zip64.bytes().size()).u16(0).u16(0).u16(0).u32(0).u32(std::min(start, kLarge));
  directory_ += entry.text(name).text(zip64.bytes()).bytes();
  ++entries_;
}

void ZipWriter::add(const std::string& name, const std::string& content) {
  add(name, content.size(), [&](const Take& take) { take(std::as_bytes(std::span(content))); });
}

void ZipWriter::finish() {
  const std::uint64_t start = offset_, size = directory_.size();
  write(directory_);
  const std::uint64_t end = offset_;
  Record record;
  record.u32(0x06064b50).u64(44).u16(kVersion).u16(kVersion).u32(0).u32(0);
  record.u64(entries_).u64(entries_).u64(size).u64(start);
  record.u32(0x07064b50).u32(0).u64(end).u32(1);  // where that record is
  const std::uint64_t shown = std::min<std::uint64_t>(entries_, 0xFFFF);
  record.u32(0x06054b50).u16(0).u16(0).u16(shown).u16(shown);
  record.u32(std::min(size, kLarge)).u32(std::min(start, kLarge)).u16(0);
  write(record.bytes());
}

}  // namespace qcface::exports
