// A training set in MXNet RecordIO: train.rec, with train.idx and property where they are (data-formats.md section 2). The
// file is mapped, and pictures are read where they stand.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/open_file.h"
#include "harness/data/sets/picture_source.h"
#include "harness/data/sets/record_table.h"

namespace qcface::data {

/// Pictures in the order of train.idx, which is that of the file; 9 bytes of memory each, and 4 or 8 more where keys do not
/// count on.
class RecordSet final : public PictureSource {
 public:
  /// "ms1m/train.rec#key 17 (class 3)".
  std::string name(std::int64_t index) const override;
  std::string name_in_set(std::int64_t index) const override;
  std::string file(std::int64_t) const override { return file_.path; }
  std::uint64_t stored_bytes(std::int64_t index) const override;
  void give_back_pages() const override;
  /// A record whose own label is not the one that the set was opened with is a corrupt picture.
  DecodeResult read(std::int64_t index, std::vector<std::uint8_t>& buffer,
                    StoredPicture& picture) const override;

 private:
  friend class RecordSetOpener;  // record_set_open.cpp

  MappedFile file_;
  std::span<const std::uint8_t> bytes_;  // of file_
  RecordTable table_;
};

/// Whether `place` is a RecordIO file, or a folder that holds train.rec.
bool is_record_set(const std::filesystem::path& place);

/// Opens it. Without train.idx the file is read through for its records, with progress. Labels are those of the pictures'
/// own records: of a set with identity records (the classic layout) they are taken from these, which a thousand records
/// spread over the set have to bear out; else every header is read, with progress. What is left out (records without
/// picture, labels that are no class, damaged records up to 1 %) and image keys that are missing are warnings. Throws Error
/// naming file and byte, or line: what section 2 rejects, no pictures at all, and labels that would make more classes than
/// 2^20 + 64 a picture, or than 2^24.
RecordSet open_record_set(const std::filesystem::path& place);

}  // namespace qcface::data
