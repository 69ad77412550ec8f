// The packed data set: one file, records first, tables behind them, the end mark last (data-formats.md section 16). This
// header has its bytes and sizes; pack_set.h reads it, harness/convert/pack_target.cpp writes it.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>

namespace qcface::data {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

inline constexpr char kPackMagic[8] = {'\x89', 'Q', 'P', 'K', '\r', '\n', '\x1A', '\n'};
inline constexpr char kPackEnd[8] = {'Q', 'P', 'K', ' ', 'E', 'N', 'D', '\n'};
inline constexpr std::uint32_t kPackVersion = 1;
inline constexpr std::uint64_t kPackDataBegin = 4096;  // of the first record
inline constexpr std::uint64_t kPackAlignment = 64;    // of tables, and of records that are pixels

enum class PackKind : std::uint32_t {
  kEncoded = 0,  // picture files as they were stored
  kPixels = 1,   // RGB, u8, [height, width, 3], all of one size
};

/// Bytes 0 to 127.
struct PackHeader {
  char magic[8];
  std::uint32_t version;
  std::uint32_t kind;
  std::uint32_t height, width;  // of kPixels, else 0
  std::uint8_t zero[104];
};
static_assert(sizeof(PackHeader) == 128);

/// The last 128 bytes. Written last, so that a file that has it is whole.
struct PackTrailer {
  char end[8];
  std::uint64_t file_bytes;
  std::uint64_t records;            // n
  std::uint64_t classes;            // K
  std::uint64_t tables_begin;       // of the first table; a multiple of 64
  std::uint64_t names_bytes;        // of all pictures' names together
  std::uint64_t class_names_bytes;  // of all classes' names together
  std::uint64_t table_checksum[7];  // in the order of PackTables
  std::uint64_t checksum;           // of the header and then this trailer up to here
  std::uint64_t zero;
};
static_assert(sizeof(PackTrailer) == 128);

/// Where the tables begin. Each is a multiple of 64 bytes from the start of the file, the gap is zero.
struct PackTables {
  std::uint64_t ends = 0;         // u64 [n] byte behind each record; of kPixels: no table
  std::uint64_t labels = 0;       // u32 [n]
  std::uint64_t checksums = 0;    // u64 [n] of each record
  std::uint64_t name_ends = 0;    // u64 [n] byte behind each picture's name in `names`
  std::uint64_t names = 0;        // bytes of any kind but 0 and '/'; a name may be empty
  std::uint64_t class_ends = 0;   // u64 [K] the same of the classes
  std::uint64_t class_names = 0;  // bytes of any kind
  std::uint64_t trailer = 0;
};

constexpr std::uint64_t pack_aligned(std::uint64_t bytes) {
  return (bytes + kPackAlignment - 1) / kPackAlignment * kPackAlignment;
}
/// From one record of kPixels to the next.
constexpr std::uint64_t pack_stride(std::uint64_t height, std::uint64_t width) {
  return pack_aligned(3 * height * width);
}

/// The places of the tables that these numbers make; nothing where they cannot lie in a file of file_bytes.
inline std::optional<PackTables> pack_tables(PackKind kind, const PackTrailer& t) {
  const std::uint64_t most = t.file_bytes;  // below 2^63: a size of a file
  if (t.records > most / 20 || t.classes > most / 8 || t.names_bytes > most || t.class_names_bytes > most ||
      t.tables_begin > most || t.tables_begin < kPackDataBegin || t.tables_begin % kPackAlignment != 0)
    return std::nullopt;
  PackTables tables;
  std::uint64_t at = t.tables_begin;
  const auto place = [&at](std::uint64_t bytes) {
    const std::uint64_t begin = at;
    at = pack_aligned(at + bytes);
    return begin;
  };
  tables.ends = place(kind == PackKind::kEncoded ? 8 * t.records : 0);
  tables.labels = place(4 * t.records);
  tables.checksums = place(8 * t.records);
  tables.name_ends = place(8 * t.records);
  tables.names = place(t.names_bytes);
  tables.class_ends = place(8 * t.classes);
  tables.class_names = place(t.class_names_bytes);
  tables.trailer = at;
  if (at > most || most - at != sizeof(PackTrailer)) return std::nullopt;
  return tables;
}

}  // namespace qcface::data
