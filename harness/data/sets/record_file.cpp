#include "harness/data/sets/record_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/error.h"
#include "core/text.h"

namespace qcface::data {
namespace {

constexpr std::size_t kPartHead = 8;
constexpr std::size_t kLongestLine = 200;  // two numbers have 20 digits each

template <class T>
T read_as(const std::uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

Record refuse_record(std::uint64_t at, std::string fault) {
  Record record;
  record.fault_at = at;
  record.fault = std::move(fault);
  return record;
}

// Joined bytes of a split record, up to a number of them that is enough.
class Joiner {
 public:
  Joiner(std::vector<std::uint8_t>& buffer, std::uint64_t enough) : buffer_(buffer), enough_(enough) {}
  void add(const std::uint8_t* bytes, std::size_t count) {
    length_ += count;
    const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(count, enough_ - used_));
    if (taken == 0) return;
    if (buffer_.size() < used_ + taken) buffer_.resize(used_ + taken);
    std::memcpy(buffer_.data() + used_, bytes, taken);
    used_ += taken;
  }
  std::uint64_t length() const { return length_; }
  std::span<const std::uint8_t> bytes() const { return {buffer_.data(), used_}; }

 private:
  std::vector<std::uint8_t>& buffer_;
  std::uint64_t enough_, length_ = 0;
  std::size_t used_ = 0;
};

}  // namespace

Record read_record(std::span<const std::uint8_t> file, std::uint64_t offset,
                   std::vector<std::uint8_t>& buffer, std::uint64_t enough) {
  if (offset > file.size()) return refuse_record(offset, "the record lies beyond the end of the file");
  Joiner joined(buffer, enough);
  for (std::uint64_t at = offset, part = 0;; ++part) {
    const std::uint64_t left = file.size() - at;
    if (left < kPartHead) {
      return refuse_record(at, part == 0 ? fmt::format("the file ends inside the head of a record ({} bytes "
                                                       "are left, expected 8 or more)",
                                                       left)
                                         : "the file ends inside a split record");
    }
    const std::uint8_t* const head = file.data() + at;
    const auto magic = read_as<std::uint32_t>(head), word = read_as<std::uint32_t>(head + 4);
    if (magic != kRecordMagic) {
      return refuse_record(at, fmt::format("magic word 0x{:08X}, expected 0x{:08X}: no record begins here",
                                           magic, kRecordMagic));
    }
    const std::uint32_t cflag = word >> 29, length = word & 0x1FFFFFFF;
    const bool in_order = part == 0 ? cflag <= 1 : cflag == 2 || cflag == 3;
    if (!in_order) {
      return refuse_record(at + 4, fmt::format("cflag {}, expected {}", cflag,
                                               part == 0 ? "0 (a whole record) or 1 (the first part)"
                                                         : "2 or 3 (the next part of a split record)"));
    }
    const std::uint64_t room = left - kPartHead, padded = (std::uint64_t{length} + 3) & ~std::uint64_t{3};
    if (padded > room) {
      return refuse_record(
          at + 4,
          fmt::format("a part of {} bytes with its padding, but the file ends after {}", padded, room));
    }
    const std::uint8_t* const data = head + kPartHead;
    at += kPartHead + padded;
    if (cflag == 0) return {.payload = {data, length}, .length = length, .end = at};
    if (part > 0) joined.add(reinterpret_cast<const std::uint8_t*>(&kRecordMagic), sizeof kRecordMagic);
    joined.add(data, length);
    if (joined.length() >= kRecordLimit) {
      return refuse_record(offset, fmt::format("the parts of the record have {} bytes so far, expected fewer "
                                               "than 2^29",
                                               joined.length()));
    }
    if (cflag == 3) return {.payload = joined.bytes(), .length = joined.length(), .end = at};
  }
}

std::string parse_record_header(const Record& record, RecordHeader& header) {
  if (record.length < RecordHeader::kBytes)
    return fmt::format("a record of {} bytes, expected a header of {}", record.length, RecordHeader::kBytes);
  const std::uint8_t* const bytes = record.payload.data();
  header.flag = read_as<std::uint32_t>(bytes);
  header.labels = {read_as<float>(bytes + 4), 0.0f};
  header.id = read_as<std::uint64_t>(bytes + 8);
  header.id2 = read_as<std::uint64_t>(bytes + 16);
  header.picture = RecordHeader::kBytes + std::uint64_t{header.flag} * sizeof(float);
  if (header.picture > record.length) {
    return fmt::format("a header with {} labels, but the record ends after {} bytes", header.flag,
                       record.length);
  }
  for (std::uint32_t i = 0; i < std::min<std::uint32_t>(header.flag, 2); ++i)
    header.labels[i] = read_as<float>(bytes + RecordHeader::kBytes + i * sizeof(float));
  return "";
}

IndexEntry IndexParser::entry_of(std::string_view line) const {
  const char* at = line.data();
  const char* const end = at + line.size();
  const auto number = [&](std::uint64_t& value) {
    const char* const begin = at;
    for (value = 0; at != end && *at >= '0' && *at <= '9'; ++at) {
      const auto digit = static_cast<std::uint64_t>(*at - '0');
      if (value > (UINT64_MAX - digit) / 10) return false;
      value = 10 * value + digit;
    }
    return at != begin;
  };
  const auto blanks = [&] {
    const char* const begin = at;
    while (at != end && (*at == '\t' || *at == ' ')) ++at;
    return at != begin;
  };
  IndexEntry entry;
  const bool numbers = number(entry.key) && blanks() && number(entry.offset);
  blanks();
  require(numbers && at == end, "{}: line {}: '{}', expected a key, a tab and an offset", name_, line_,
          printable(line, 40));
  require(entry.offset < record_bytes_,
          "{}: line {}: offset {} lies beyond the end of the record file ({} bytes): the index belongs to "
          "another file, or not all of that one was copied",
          name_, line_, entry.offset, record_bytes_);
  require(entry.offset % 4 == 0, "{}: line {}: offset {}, expected a multiple of 4", name_, line_,
          entry.offset);
  return entry;
}

// The usual line, `digits<TAB>digits<LF>` of a good offset, at the start of the block: its length, or 0 for all others.
std::size_t IndexParser::usual_line(std::string_view block, IndexEntry& entry) const {
  constexpr std::size_t kDigits = 19;  // fit 64 bits
  if (block.size() < 2 * kDigits + 2) return 0;
  std::size_t at = 0;
  const auto number = [&](std::uint64_t& value, char end) {
    const std::size_t begin = at;
    for (value = 0; at - begin < kDigits && static_cast<unsigned char>(block[at] - '0') < 10; ++at)
      value = 10 * value + static_cast<std::uint64_t>(block[at] - '0');
    return at > begin && block[at++] == end;
  };
  const bool usual = number(entry.key, '\t') && number(entry.offset, '\n') && entry.offset < record_bytes_ &&
                     entry.offset % 4 == 0;
  return usual ? at : 0;
}

void IndexParser::parse(std::string_view block, const std::function<void(IndexEntry)>& sink) {
  IndexEntry entry;
  while (true) {
    if (unfinished_.empty()) {
      if (const std::size_t length = usual_line(block, entry); length > 0) {
        ++line_;
        sink(entry);
        block.remove_prefix(length);
        continue;
      }
    }
    const std::size_t end = block.find('\n');
    if (end == std::string_view::npos) break;
    std::string_view line = block.substr(0, end);
    block.remove_prefix(end + 1);
    std::string whole;
    if (!unfinished_.empty()) {
      whole = std::exchange(unfinished_, {}).append(line);
      line = whole;
    }
    if (line.ends_with('\r')) line.remove_suffix(1);
    ++line_;
    if (!line.empty()) sink(entry_of(line));
  }
  unfinished_.append(block.substr(0, kLongestLine + 1));
  if (unfinished_.size() <= kLongestLine) return;
  ++line_;
  entry_of(unfinished_);  // says what is wrong with it in most cases
  fail("{}: line {}: more than {} characters, expected a key, a tab and an offset", name_, line_,
       kLongestLine);
}

void IndexParser::finish(const std::function<void(IndexEntry)>& sink) {
  if (unfinished_.empty()) return;
  parse("\n", sink);
}

}  // namespace qcface::data
