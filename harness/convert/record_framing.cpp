#include "harness/convert/record_framing.h"

#include <bit>
#include <cstring>

#include "core/error.h"
#include "harness/data/sets/record_file.h"

namespace qcface::convert {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_part(std::string& out, std::uint32_t cflag, std::span<const std::uint8_t> part) {
  put(out, data::kRecordMagic);
  put(out, (cflag << 29) | static_cast<std::uint32_t>(part.size()));
  out.append(reinterpret_cast<const char*>(part.data()), part.size());
  out.append((4 - part.size() % 4) % 4, '\0');
}

}  // namespace

void append_record(std::string& out, std::span<const std::uint8_t> record) {
  require(record.size() < data::kRecordLimit, "a record of {} bytes: the format holds less than 2^29",
          record.size());
  std::size_t begin = 0;
  bool split = false;
  for (std::size_t at = 0; at + 4 <= record.size() / 4 * 4; at += 4) {
    std::uint32_t word = 0;
    std::memcpy(&word, record.data() + at, sizeof word);
    if (word != data::kRecordMagic) continue;
    put_part(out, split ? 2 : 1, record.subspan(begin, at - begin));
    begin = at + 4;
    split = true;
  }
  put_part(out, split ? 3 : 0, record.subspan(begin));
}

std::string record_header(float label, std::uint64_t id) {
  std::string out;
  put(out, std::uint32_t{0});
  put(out, label);
  put(out, id);
  put(out, std::uint64_t{0});
  return out;
}

std::string label_record(std::span<const float> labels, std::uint64_t id) {
  std::string out;
  put(out, static_cast<std::uint32_t>(labels.size()));
  put(out, 0.0f);
  put(out, id);
  put(out, std::uint64_t{0});
  for (const float label : labels) put(out, label);
  return out;
}

}  // namespace qcface::convert
