// A packed data set (data-formats.md section 16), read where it lies: the file is mapped, tables are looked at in place,
// pictures are handed out without a copy. Needs neither OpenCV nor a picture library: target qcface_packs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/open_file.h"
#include "harness/data/sets/pack_format.h"
#include "harness/data/sets/picture_source.h"

namespace qcface::data {

/// True for a regular file that begins as a pack does.
bool is_pack(const std::filesystem::path& path);

class PackSet final : public PictureSource {
 public:
  /// Checks every field against the file, every record's place, every label, and the checksums of the tables; memory: 4
  /// bytes a picture and the names of the classes. Throws Error naming file and byte: no pack, cut short, damaged.
  explicit PackSet(const std::filesystem::path& path);

  PackKind kind() const { return kind_; }
  /// Of pixels; 0 in a pack of picture files.
  int height() const { return height_; }
  int width() const { return width_; }

  std::uint64_t record_begin(std::int64_t index) const;
  /// Empty, or why the record is not what was written: its checksum.
  std::string check_record(std::int64_t index) const;
  /// The record's checksum as it stands in the table.
  std::uint64_t recorded_checksum(std::int64_t index) const { return table64(tables_.checksums, index); }

  /// <pack>/<class>/<name, or number of the record>.
  std::string name(std::int64_t index) const override;
  std::string file_name(std::int64_t index) const override;
  std::string file(std::int64_t) const override { return file_.path; }
  std::uint64_t stored_bytes(std::int64_t index) const override;
  void give_back_pages() const override;
  /// A span of the mapped file; its checksum is not looked at.
  DecodeResult read(std::int64_t index, std::vector<std::uint8_t>& buffer,
                    StoredPicture& picture) const override;

 private:
  std::uint64_t table64(std::uint64_t table, std::int64_t index) const;
  std::span<const std::uint8_t> record(std::int64_t index) const;
  void read_header(PackTrailer& trailer);
  void check_table(int number, std::uint64_t begin, std::uint64_t bytes, const PackTrailer& trailer) const;
  void read_records(const PackTrailer& trailer);
  void read_class_names(const PackTrailer& trailer);

  MappedFile file_;
  PackKind kind_ = PackKind::kEncoded;
  int height_ = 0, width_ = 0;
  std::uint64_t tables_begin_ = 0, names_bytes_ = 0;
  PackTables tables_;
};

}  // namespace qcface::data
