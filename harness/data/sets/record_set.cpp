#include "harness/data/sets/record_set.h"

#include <fmt/format.h>

#include <utility>

#include "harness/data/decode/decoders.h"
#include "harness/data/sets/record_file.h"

namespace qcface::data {

std::string RecordSet::name(std::int64_t index) const {
  return fmt::format("{}#key {} (class {})", file_.path, table_.key(static_cast<std::size_t>(index)),
                     label(index));
}

std::string RecordSet::name_in_set(std::int64_t index) const {
  return fmt::format("{}/{}", label(index), table_.key(static_cast<std::size_t>(index)));
}

std::uint64_t RecordSet::stored_bytes(std::int64_t index) const {
  std::vector<std::uint8_t> buffer;
  RecordHeader header;
  const Record record =
      read_record(bytes_, table_.offset(static_cast<std::size_t>(index)), buffer, RecordHeader::kEnough);
  return record.ok() && parse_record_header(record, header).empty() ? record.length - header.picture : 0;
}

void RecordSet::give_back_pages() const { qcface::give_back_pages(file_); }

DecodeResult RecordSet::read(std::int64_t index, std::vector<std::uint8_t>& buffer,
                             StoredPicture& picture) const {
  picture = {};
  const std::uint64_t offset = table_.offset(static_cast<std::size_t>(index));
  const Record record = read_record(bytes_, offset, buffer);
  if (!record.ok())
    return refuse(DecodeStatus::kCorrupt, fmt::format("byte {}: {}", record.fault_at, record.fault));
  RecordHeader header;
  if (const std::string fault = parse_record_header(record, header); !fault.empty())
    return refuse(DecodeStatus::kCorrupt, fmt::format("byte {}: {}", offset, fault));
  if (header.labels[0] != static_cast<float>(label(index))) {
    return refuse(DecodeStatus::kCorrupt,
                  fmt::format("byte {}: the record's label is {}, the set was opened with {}", offset,
                              header.labels[0], label(index)));
  }
  if (header.picture == record.length)
    return refuse(DecodeStatus::kEmpty, fmt::format("byte {}: the record holds no picture", offset));
  picture.bytes = record.payload.subspan(static_cast<std::size_t>(header.picture));
  return {};
}

}  // namespace qcface::data
