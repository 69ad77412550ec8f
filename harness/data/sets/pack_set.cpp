#include "harness/data/sets/pack_set.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "core/checksum.h"
#include "core/error.h"
#include "core/text.h"

namespace qcface::data {
namespace {

constexpr std::uint64_t kMostSide = 16384, kMostPixels = std::uint64_t{1} << 26;  // as ImageDecoder
constexpr std::array<const char*, 7> kTableNames{
    "ends of records", "labels", "checksums", "ends of names", "names", "ends of class names", "class names"};

// Goes over a part of the mapped file in pieces and gives each back to the system, so that a sweep over tables of hundreds of
// megabytes does not stay in this process's memory.
template <class Fn>
void sweep(const MappedFile& file, std::uint64_t begin, std::uint64_t bytes, Fn fn) {
  constexpr std::uint64_t kPiece = std::uint64_t{4} << 20;
  static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::uint64_t end = begin + bytes;
  while (begin < end) {
    const std::uint64_t piece_end = std::min(end, begin / kPiece * kPiece + kPiece);
    fn(file.bytes.data() + begin, piece_end - begin, begin);
    const std::uint64_t first = (begin + page - 1) / page * page, last = piece_end / page * page;
    if (last > first)
      ::madvise(const_cast<std::byte*>(file.bytes.data() + first), last - first, MADV_DONTNEED);
    begin = piece_end;
  }
}

template <class T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

}  // namespace

bool is_pack(const std::filesystem::path& path) {
  std::string problem;
  const int fd = try_open_regular(path, problem);
  if (fd < 0) return false;
  char begin[sizeof kPackMagic] = {};
  const bool whole = ::read(fd, begin, sizeof begin) == static_cast<ssize_t>(sizeof begin);
  ::close(fd);
  return whole && std::memcmp(begin, kPackMagic, sizeof begin) == 0;
}

PackSet::PackSet(const std::filesystem::path& path) : file_(map_file(path)) {
  PackTrailer trailer{};
  read_header(trailer);
  const std::uint64_t n = trailer.records, classes = trailer.classes;
  const std::array<std::pair<std::uint64_t, std::uint64_t>, 7> tables{
      {{tables_.ends, kind_ == PackKind::kEncoded ? 8 * n : 0},
       {tables_.labels, 4 * n},
       {tables_.checksums, 8 * n},
       {tables_.name_ends, 8 * n},
       {tables_.names, names_bytes_},
       {tables_.class_ends, 8 * classes},
       {tables_.class_names, trailer.class_names_bytes}}};
  for (int i = 0; i < 7; ++i) {
    const auto [begin, bytes] = tables[static_cast<std::size_t>(i)];
    check_table(i, begin, bytes, trailer);
  }
  read_records(trailer);
  read_class_names(trailer);
}

void PackSet::read_header(PackTrailer& trailer) {
  const std::uint64_t size = file_.bytes.size();
  const std::string& path = file_.path;
  PackHeader header{};
  require(size >= sizeof header && std::memcmp(file_.bytes.data(), kPackMagic, sizeof kPackMagic) == 0,
          "{}: byte 0: does not begin as a pack of `qcface data pack` does", path);
  std::memcpy(&header, file_.bytes.data(), sizeof header);
  require(header.version == kPackVersion, "{}: byte 8: version {}, this program reads version {}", path,
          header.version, kPackVersion);
  const std::uint64_t trailer_at = size - sizeof trailer;
  require(size >= kPackDataBegin + sizeof trailer && size % 64 == 0 &&
              std::memcmp(file_.bytes.data() + trailer_at, kPackEnd, sizeof kPackEnd) == 0,
          "{}: byte {}: the end mark of a whole pack is not there; the file was cut short: copy it again, or "
          "make it again with `qcface data pack`",
          path, size < sizeof trailer ? 0 : trailer_at);
  std::memcpy(&trailer, file_.bytes.data() + trailer_at, sizeof trailer);
  Checksum sum;
  sum.add(&header, sizeof header);
  sum.add(&trailer, offsetof(PackTrailer, checksum));
  require(sum.value() == trailer.checksum,
          "{}: byte {}: the checksum of header and end differs from theirs: the file is damaged", path,
          trailer_at + offsetof(PackTrailer, checksum));
  require(trailer.file_bytes == size, "{}: byte {}: the pack has {} bytes by its end mark, the file {}", path,
          trailer_at + offsetof(PackTrailer, file_bytes), trailer.file_bytes, size);
  require(header.kind <= 1, "{}: byte 12: records of kind {}, expected 0 (picture files) or 1 (pixels)", path,
          header.kind);
  kind_ = static_cast<PackKind>(header.kind);
  const std::uint64_t h = header.height, w = header.width;
  const bool pixels = kind_ == PackKind::kPixels;
  require(pixels ? h >= 1 && w >= 1 && h <= kMostSide && w <= kMostSide && h * w <= kMostPixels
                 : h == 0 && w == 0,
          "{}: byte 16: pictures of {} x {} pixels, expected {}", path, w, h,
          pixels ? "1 to 16384 a side and at most 2^26" : "0 x 0 where they are files");
  const auto tables = pack_tables(kind_, trailer);
  require(tables.has_value(),
          "{}: byte {}: tables of {} pictures and {} classes from byte {} on do not end where the file does",
          path, trailer_at + offsetof(PackTrailer, records), trailer.records, trailer.classes,
          trailer.tables_begin);
  tables_ = *tables;
  tables_begin_ = trailer.tables_begin;
  names_bytes_ = trailer.names_bytes;
  height_ = static_cast<int>(h);
  width_ = static_cast<int>(w);
  const std::uint64_t room = tables_begin_ - kPackDataBegin;
  require(!pixels || (room % pack_stride(h, w) == 0 && room / pack_stride(h, w) == trailer.records),
          "{}: byte {}: {} pictures of {} x {} pixels do not fill the {} bytes in front of the tables", path,
          trailer_at + offsetof(PackTrailer, records), trailer.records, w, h, room);
}

void PackSet::check_table(int number, std::uint64_t begin, std::uint64_t bytes,
                          const PackTrailer& trailer) const {
  Checksum sum;
  sweep(file_, begin, bytes,
        [&sum](const std::byte* piece, std::uint64_t size, std::uint64_t) { sum.add(piece, size); });
  require(sum.value() == trailer.table_checksum[number],
          "{}: byte {}: the checksum of the table of {} ({} bytes) differs: the file is damaged", file_.path,
          begin, kTableNames[static_cast<std::size_t>(number)], bytes);
}

void PackSet::read_records(const PackTrailer& trailer) {
  const auto ascending = [&](std::uint64_t table, const char* what, std::uint64_t from, std::uint64_t to) {
    std::uint64_t before = from;
    sweep(file_, table, 8 * trailer.records,
          [&](const std::byte* piece, std::uint64_t size, std::uint64_t at) {
            for (std::uint64_t i = 0; i < size; i += 8) {
              const auto end = load<std::uint64_t>(piece + i);
              require(end >= before && end <= to, "{}: byte {}: {} ends at {}, expected {} to {}", file_.path,
                      at + i, what, end, before, to);
              before = end;
            }
          });
    return before;
  };
  if (kind_ == PackKind::kEncoded) {
    const std::uint64_t end = ascending(tables_.ends, "a record", kPackDataBegin, tables_begin_);
    require(pack_aligned(end) == tables_begin_, "{}: byte {}: records end at {}, but tables begin at {}",
            file_.path, tables_.ends, end, tables_begin_);
  }
  ascending(tables_.name_ends, "a picture's name", 0, names_bytes_);
  require(trailer.classes <= static_cast<std::uint64_t>(std::numeric_limits<std::int32_t>::max()),
          "{}: {} classes, expected at most 2^31 - 1", file_.path, trailer.classes);
  label_of_.reserve(trailer.records);
  sweep(file_, tables_.labels, 4 * trailer.records,
        [&](const std::byte* piece, std::uint64_t size, std::uint64_t at) {
          for (std::uint64_t i = 0; i < size; i += 4) {
            const auto label = load<std::uint32_t>(piece + i);
            require(label < trailer.classes, "{}: byte {}: label {} of {} classes", file_.path, at + i, label,
                    trailer.classes);
            label_of_.push_back(static_cast<std::int32_t>(label));
          }
        });
}

void PackSet::read_class_names(const PackTrailer& trailer) {
  num_classes_ = static_cast<std::int64_t>(trailer.classes);
  const auto* const names = reinterpret_cast<const char*>(file_.bytes.data() + tables_.class_names);
  std::uint64_t before = 0;
  sweep(file_, tables_.class_ends, 8 * trailer.classes,
        [&](const std::byte* piece, std::uint64_t size, std::uint64_t at) {
          const std::uint64_t first = before;
          for (std::uint64_t i = 0; i < size; i += 8) {
            const auto end = load<std::uint64_t>(piece + i);
            require(end >= before && end <= trailer.class_names_bytes,
                    "{}: byte {}: a class's name ends at {}, expected {} to {}", file_.path, at + i, end,
                    before, trailer.class_names_bytes);
            class_names_.push_back({names + before, end - before});
            before = end;
          }
          // Gives back the names of this piece.
          sweep(file_, tables_.class_names + first, before - first, [](auto...) {});
        });
  what_ = "pack " + file_.path;
  named_classes_ = !class_names_.are_numbers();  // packed from a set without names
}

std::uint64_t PackSet::table64(std::uint64_t table, std::int64_t index) const {
  return load<std::uint64_t>(file_.bytes.data() + table + 8 * static_cast<std::uint64_t>(index));
}

std::uint64_t PackSet::record_begin(std::int64_t index) const {
  if (kind_ == PackKind::kPixels)
    return kPackDataBegin +
           static_cast<std::uint64_t>(index) *
               pack_stride(static_cast<std::uint64_t>(height_), static_cast<std::uint64_t>(width_));
  return index == 0 ? kPackDataBegin : table64(tables_.ends, index - 1);
}

std::uint64_t PackSet::stored_bytes(std::int64_t index) const {
  if (kind_ == PackKind::kPixels)
    return 3 * static_cast<std::uint64_t>(height_) * static_cast<std::uint64_t>(width_);
  return table64(tables_.ends, index) - record_begin(index);
}

void PackSet::give_back_pages() const { qcface::give_back_pages(file_); }

std::span<const std::uint8_t> PackSet::record(std::int64_t index) const {
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(file_.bytes.data());
  return {bytes + record_begin(index), stored_bytes(index)};
}

std::string PackSet::check_record(std::int64_t index) const {
  if (checksum(record(index)) == recorded_checksum(index)) return {};
  return fmt::format("the checksum of its {} bytes differs", stored_bytes(index));
}

std::string PackSet::file_name(std::int64_t index) const {
  const auto* const names = reinterpret_cast<const char*>(file_.bytes.data() + tables_.names);
  const std::uint64_t begin = index == 0 ? 0 : table64(tables_.name_ends, index - 1);
  return std::string(names + begin, table64(tables_.name_ends, index) - begin);
}

std::string PackSet::name(std::int64_t index) const {
  const std::string own = file_name(index);
  return fmt::format("{}/{}/{}", file_.path, class_names_[static_cast<std::size_t>(label(index))],
                     own.empty() ? fmt::format("{}", index) : own);
}

DecodeResult PackSet::read(std::int64_t index, std::vector<std::uint8_t>&, StoredPicture& picture) const {
  picture = {record(index), height_, width_};
  return {};
}

}  // namespace qcface::data
