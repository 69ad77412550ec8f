// MXNet RecordIO (data-formats.md section 2): the framing of train.rec, the header of a record and the lines of train.idx.
// All of it works on bytes in memory, checks every length against the bytes that are left, and allocates by no other.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qcface::data {

/// The record that begins at some place of a file. Faults are no exceptions: in training one is a picture that cannot be
/// used.
struct Record {
  std::span<const std::uint8_t> payload;  // in the file; of a split record in the buffer, joined
  std::uint64_t length = 0;               // of the whole payload
  std::uint64_t end = 0;                  // where the next record begins
  std::uint64_t fault_at = 0;             // byte of the file
  std::string fault{};                    // empty: the record is whole
  bool ok() const { return fault.empty(); }
};

inline constexpr std::uint32_t kRecordMagic = 0xCED7230A;
/// A record has fewer bytes than this.
inline constexpr std::uint64_t kRecordLimit = std::uint64_t{1} << 29;

/// Reads it: one part with cflag 0, or parts with cflag 1, 2 ..., 3 that are joined in `buffer` (which only grows) with the
/// magic word between them. Of a split record only the first `enough` bytes are joined; all of it is checked.
Record read_record(std::span<const std::uint8_t> file, std::uint64_t offset,
                   std::vector<std::uint8_t>& buffer, std::uint64_t enough = kRecordLimit);

/// u32 flag, f32 label, u64 id, u64 id2, then `flag` labels f32, then the picture file or nothing.
struct RecordHeader {
  static constexpr std::uint64_t kBytes = 24;
  /// What has to be joined of a record for parse_record_header().
  static constexpr std::uint64_t kEnough = kBytes + 2 * sizeof(float);

  std::uint32_t flag = 0;
  std::array<float, 2> labels{};  // the first two; of a scalar label the first
  std::uint64_t id = 0, id2 = 0;
  std::uint64_t picture = 0;  // where the picture begins in the payload
};
/// The header of a whole record. Returns what is wrong with it, or nothing.
std::string parse_record_header(const Record& record, RecordHeader& header);

/// A line of train.idx.
struct IndexEntry {
  std::uint64_t key = 0;
  std::uint64_t offset = 0;  // of the record's magic word
};
/// Lines `key<TAB>offset`, in blocks that may end anywhere.
class IndexParser {
 public:
  /// `name` is that of the file, for messages; offsets have to lie in a record file of so many bytes.
  IndexParser(std::string name, std::uint64_t record_bytes)
      : name_(std::move(name)), record_bytes_(record_bytes) {}
  /// Gives the lines that are complete to `sink`. Throws Error naming file and line for anything else than a line of two
  /// whole numbers, the second a multiple of 4 inside the record file.
  void parse(std::string_view block, const std::function<void(IndexEntry)>& sink);
  /// The last line, if no line end follows it.
  void finish(const std::function<void(IndexEntry)>& sink);

 private:
  IndexEntry entry_of(std::string_view line) const;
  std::size_t usual_line(std::string_view block, IndexEntry& entry) const;

  std::string name_;
  std::uint64_t record_bytes_;
  std::uint64_t line_ = 0;
  std::string unfinished_;
};

}  // namespace qcface::data
