#include "core/zip_directory.h"

#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/text.h"

namespace qcface {
namespace {

static_assert(std::endian::native == std::endian::little, "zip archives are little-endian");

constexpr std::uint32_t kLocalMagic = 0x04034b50, kCentralMagic = 0x02014b50, kEndMagic = 0x06054b50;
constexpr std::uint32_t kEnd64Magic = 0x06064b50, kLocator64Magic = 0x07064b50;
constexpr std::size_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56,
                      kLocatorBytes = 20;
constexpr std::size_t kLongestComment = 0xFFFF;
constexpr std::uint16_t kEncrypted = 1, kZip64Id = 1;
constexpr std::uint32_t kSeeZip64 = 0xFFFFFFFF;  // the number stands in a Zip64 field

class Parser {
 public:
  Parser(const std::string& file, std::span<const std::byte> bytes) : file_(file), bytes_(bytes) {}

  ZipDirectory run() {
    find_directory();
    ZipDirectory entries;
    std::vector<Extent> extents;
    std::size_t at = start_;
    for (std::uint64_t i = 0; i < count_; ++i) at = read_entry(at, entries, extents);
    std::sort(extents.begin(), extents.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
    for (std::size_t i = 1; i < extents.size(); ++i) {
      if (extents[i].begin < extents[i - 1].end)
        error(extents[i].begin, "entry {} begins inside the one before it", printable(extents[i].name, 200));
    }
    return entries;
  }

 private:
  struct Extent {
    std::size_t begin, end;  // local header and data
    std::string_view name;
  };

  template <class... Args>
  [[noreturn]] void error(std::size_t at, fmt::format_string<Args...> format, Args&&... args) const {
    fail("{}: byte {}: zip archive: {}", file_, at, fmt::format(format, std::forward<Args>(args)...));
  }
  bool fits(std::uint64_t at, std::uint64_t length) const {
    return at <= bytes_.size() && length <= bytes_.size() - at;
  }
  // A number at a place that is known to be in the file.
  template <class T>
  T number(std::size_t at) const {
    T value{};
    std::memcpy(&value, bytes_.data() + at, sizeof value);
    return value;
  }
  std::string_view text(std::size_t at, std::size_t length) const {
    return {reinterpret_cast<const char*>(bytes_.data()) + at, length};
  }

  // The end record is the last one whose comment ends with the file.
  std::size_t find_end() const {
    const std::size_t lowest =
        bytes_.size() > kEndBytes + kLongestComment ? bytes_.size() - kEndBytes - kLongestComment : 0;
    for (std::size_t room = kEndBytes; room <= bytes_.size() && bytes_.size() - room >= lowest; ++room) {
      const std::size_t at = bytes_.size() - room;
      if (number<std::uint32_t>(at) == kEndMagic && number<std::uint16_t>(at + 20) == room - kEndBytes)
        return at;
    }
    error(bytes_.size(), "its directory is missing at the end of the file; the file is cut off");
  }

  void find_directory() {
    const std::size_t end = find_end();
    std::size_t limit = end;
    count_ = number<std::uint16_t>(end + 10);
    std::uint64_t size = number<std::uint32_t>(end + 12), start = number<std::uint32_t>(end + 16);
    bool one_disk = number<std::uint32_t>(end + 4) == 0 && number<std::uint16_t>(end + 8) == count_;
    if (end >= kLocatorBytes && number<std::uint32_t>(end - kLocatorBytes) == kLocator64Magic) {
      const auto at = number<std::uint64_t>(end - kLocatorBytes + 8);
      if (at > end - kLocatorBytes || end - kLocatorBytes - at < kEnd64Bytes ||
          number<std::uint32_t>(static_cast<std::size_t>(at)) != kEnd64Magic)
        error(end - kLocatorBytes, "its Zip64 end record is not where it should be, at byte {}", at);
      limit = static_cast<std::size_t>(at);
      count_ = number<std::uint64_t>(limit + 32);
      size = number<std::uint64_t>(limit + 40);
      start = number<std::uint64_t>(limit + 48);
      one_disk = number<std::uint64_t>(limit + 16) == 0 && number<std::uint64_t>(limit + 24) == count_;
    }
    if (!one_disk) error(limit, "it is one of several parts");
    if (start > limit || size > limit - start)
      error(limit, "its directory of {} bytes at byte {} reaches past its end record", size, start);
    if (count_ > size / kCentralBytes)
      error(limit, "{} entries do not fit into a directory of {} bytes", count_, size);
    start_ = static_cast<std::size_t>(start);
    end_ = static_cast<std::size_t>(start + size);
  }

  // One record of the directory; where the next one begins.
  std::size_t read_entry(std::size_t at, ZipDirectory& entries, std::vector<Extent>& extents) const {
    if (end_ - at < kCentralBytes || number<std::uint32_t>(at) != kCentralMagic)
      error(at, "an entry of its directory is missing");
    const auto flags = number<std::uint16_t>(at + 8), method = number<std::uint16_t>(at + 10);
    const auto crc = number<std::uint32_t>(at + 16);
    const std::size_t name_bytes = number<std::uint16_t>(at + 28),
                      extra_bytes = number<std::uint16_t>(at + 30),
                      comment_bytes = number<std::uint16_t>(at + 32);
    if (end_ - at - kCentralBytes < name_bytes + extra_bytes + comment_bytes)
      error(at, "an entry reaches past the end of its directory");
    const std::string_view name = text(at + kCentralBytes, name_bytes);
    const std::string shown = printable(name, 200);
    std::uint64_t stored = number<std::uint32_t>(at + 20), size = number<std::uint32_t>(at + 24),
                  local = number<std::uint32_t>(at + 42);
    read_zip64(at, at + kCentralBytes + name_bytes, extra_bytes, size, stored, local);
    if ((flags & kEncrypted) != 0) error(at, "entry {} is encrypted", shown);
    if (method != 0 || stored != size)
      error(at, "entry {} is compressed (method {}), expected as it is; PyTorch writes it so", shown, method);

    if (!fits(local, kLocalBytes) || local + kLocalBytes > start_)
      error(at, "the local header of entry {}, at byte {}, is not before the directory", shown, local);
    const auto header = static_cast<std::size_t>(local);
    if (number<std::uint32_t>(header) != kLocalMagic)
      error(header, "the local header of entry {} is missing", shown);
    const std::size_t local_name = number<std::uint16_t>(header + 26),
                      local_extra = number<std::uint16_t>(header + 28);
    const std::size_t data = header + kLocalBytes + local_name + local_extra;
    if (data > start_ || size > start_ - data)
      error(header, "entry {} of {} bytes reaches past the {} bytes before the directory", shown, size,
            start_);
    if (text(header + kLocalBytes, local_name) != name)
      error(header, "the local header of entry {} has another name", shown);
    const auto bytes = static_cast<std::size_t>(size);
    if (!entries.emplace(name, ZipEntry{data, bytes_.subspan(data, bytes), crc}).second)
      error(at, "there are two entries {}", shown);
    extents.push_back({header, data + bytes, name});
    return at + kCentralBytes + name_bytes + extra_bytes + comment_bytes;
  }

  // Numbers that do not fit into 32 bits stand in an extra field, in this order.
  void read_zip64(std::size_t entry, std::size_t at, std::size_t length, std::uint64_t& size,
                  std::uint64_t& stored, std::uint64_t& local) const {
    const std::size_t end = at + length;
    while (end - at >= 4) {
      const auto id = number<std::uint16_t>(at);
      const std::size_t bytes = number<std::uint16_t>(at + 2);
      at += 4;
      if (bytes > end - at) error(at - 4, "an extra field reaches past its entry");
      if (id == kZip64Id) {
        std::size_t field = at;
        for (std::uint64_t* const value : {&size, &stored, &local}) {
          if (*value != kSeeZip64) continue;
          if (at + bytes - field < sizeof *value) error(at - 4, "a Zip64 field is too short");
          *value = number<std::uint64_t>(field);
          field += sizeof *value;
        }
        return;
      }
      at += bytes;
    }
    if (size == kSeeZip64 || stored == kSeeZip64 || local == kSeeZip64)
      error(entry, "an entry lacks its Zip64 field");
  }

  const std::string& file_;
  std::span<const std::byte> bytes_;
  std::size_t start_ = 0, end_ = 0;  // of the directory
  std::uint64_t count_ = 0;
};

}  // namespace

bool is_zip(std::span<const std::byte> bytes) {
  return bytes.size() >= 4 && std::memcmp(bytes.data(), "PK\x03\x04", 4) == 0;
}

ZipDirectory read_zip_directory(const std::string& file, std::span<const std::byte> bytes) {
  return Parser(file, bytes).run();
}

void check_crc(const std::string& file, const std::string& name, const ZipEntry& entry) {
  const auto found = ::crc32_z(::crc32_z(0, nullptr, 0), reinterpret_cast<const Bytef*>(entry.bytes.data()),
                               entry.bytes.size());
  require(found == entry.crc,
          "{}: byte {}: entry {} has the CRC-32 {:08x} where {:08x} is expected; the file is damaged", file,
          entry.offset, printable(name, 200), found, entry.crc);
}

}  // namespace qcface
