#include "harness/report/tensorboard.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <vector>

#include "core/error.h"
#include "core/log.h"

namespace qcface::report {
namespace {

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) ? 0x82F63B78u : 0u);
    table[i] = value;
  }
  return table;
}
constexpr std::array<std::uint32_t, 256> kCrcTable = make_crc_table();

// Protobuf wire format: key = field number << 3 | wire type (0 varint, 1 64-bit, 2 length-delimited, 5 32-bit).
template <class T>
void put_little_endian(std::string& out, T bits) {
  for (std::size_t i = 0; i < sizeof(T); ++i) out.push_back(static_cast<char>(bits >> (8 * i) & 0xFF));
}
void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>((value & 0x7F) | 0x80));
  out.push_back(static_cast<char>(value));
}
void put_key(std::string& out, int field, int wire_type) {
  put_varint(out, static_cast<std::uint64_t>(field << 3 | wire_type));
}
void put_double(std::string& out, int field, double value) {
  put_key(out, field, 1);
  put_little_endian(out, std::bit_cast<std::uint64_t>(value));
}
void put_float(std::string& out, int field, float value) {
  put_key(out, field, 5);
  put_little_endian(out, std::bit_cast<std::uint32_t>(value));
}
void put_int64(std::string& out, int field, std::int64_t value) {
  put_key(out, field, 0);
  put_varint(out, static_cast<std::uint64_t>(value));
}
void put_bytes(std::string& out, int field, std::string_view bytes) {
  put_key(out, field, 2);
  put_varint(out, bytes.size());
  out.append(bytes);
}
void put_packed_doubles(std::string& out, int field, std::span<const double> values) {
  put_key(out, field, 2);
  put_varint(out, values.size() * sizeof(double));
  for (const double value : values) put_little_endian(out, std::bit_cast<std::uint64_t>(value));
}

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// tensorflow.Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
std::string event_head(double wall_time, std::int64_t step) {
  std::string event;
  put_double(event, 1, wall_time < 0 ? seconds_now() : wall_time);
  put_int64(event, 2, step);
  return event;
}

// Summary { repeated Value value = 1; }
std::string event_with_value(double wall_time, std::int64_t step, const std::string& value) {
  std::string summary;
  put_bytes(summary, 1, value);
  std::string event = event_head(wall_time, step);
  put_bytes(event, 5, summary);
  return event;
}

}  // namespace

std::uint32_t crc32c(const void* data, std::size_t bytes, std::uint32_t crc) {
  const unsigned char* p = static_cast<const unsigned char*>(data);
  crc = ~crc;
  for (std::size_t i = 0; i < bytes; ++i) crc = kCrcTable[(crc ^ p[i]) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

std::uint32_t masked_crc32c(const void* data, std::size_t bytes) {
  const std::uint32_t crc = crc32c(data, bytes);
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

TensorBoardWriter::TensorBoardWriter(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  require(!error, "TensorBoard folder {}: cannot be made: {}", folder.string(), error.message());
  char host[256] = "localhost";
  if (gethostname(host, sizeof(host) - 1) != 0) std::strcpy(host, "localhost");
  static std::atomic<int> serial{0};
  const double now = seconds_now();
  path_ = folder / fmt::format("events.out.tfevents.{:010}.{}.{}.{}", static_cast<std::int64_t>(now), host,
                               getpid(), serial++);
  file_ = std::fopen(path_.c_str(), "wbx");
  require(file_ != nullptr, "TensorBoard event file {}: cannot be made: {}", path_.string(),
          std::strerror(errno));
  std::string event = event_head(now, 0);
  put_bytes(event, 3, "brain.Event:2");
  record(event);
}

TensorBoardWriter::~TensorBoardWriter() {
  if (std::fclose(file_) != 0)
    log::warn("TensorBoard event file {}: {}", path_.string(), std::strerror(errno));
}

void TensorBoardWriter::record(std::string_view event) {
  std::string frame;
  put_little_endian(frame, static_cast<std::uint64_t>(event.size()));
  put_little_endian(frame, masked_crc32c(frame.data(), frame.size()));
  frame.append(event);
  put_little_endian(frame, masked_crc32c(event.data(), event.size()));
  require(std::fwrite(frame.data(), 1, frame.size(), file_) == frame.size(),
          "TensorBoard event file {}: cannot be written: {}", path_.string(), std::strerror(errno));
}

void TensorBoardWriter::scalar(std::string_view tag, std::int64_t step, double value, double wall_time) {
  std::string entry;  // Summary.Value { string tag = 1; float simple_value = 2; }
  put_bytes(entry, 1, tag);
  put_float(entry, 2, static_cast<float>(value));
  record(event_with_value(wall_time, step, entry));
}

void TensorBoardWriter::histogram(std::string_view tag, std::int64_t step, std::span<const double> edges,
                                  std::span<const double> counts, double wall_time) {
  require(edges.size() == counts.size() + 1 && !counts.empty(),
          "TensorBoard histogram {}: {} edges for {} counts, expected one more", tag, edges.size(),
          counts.size());
  double num = 0;
  double sum = 0;
  double squares = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double centre = (edges[i] + edges[i + 1]) / 2;
    num += counts[i];
    sum += counts[i] * centre;
    squares += counts[i] * centre * centre;
  }
  // HistogramProto { min 1, max 2, num 3, sum 4, sum_squares 5, repeated double bucket_limit 6, bucket 7 }: bucket i
  // holds values up to bucket_limit i, so the lowest edge travels as the limit of an empty bucket.
  std::vector<double> limits(edges.begin(), edges.end());
  std::vector<double> buckets(1, 0.0);
  buckets.insert(buckets.end(), counts.begin(), counts.end());
  std::string proto;
  put_double(proto, 1, edges.front());
  put_double(proto, 2, edges.back());
  put_double(proto, 3, num);
  put_double(proto, 4, sum);
  put_double(proto, 5, squares);
  put_packed_doubles(proto, 6, limits);
  put_packed_doubles(proto, 7, buckets);
  std::string entry;  // Summary.Value { string tag = 1; HistogramProto histo = 5; }
  put_bytes(entry, 1, tag);
  put_bytes(entry, 5, proto);
  record(event_with_value(wall_time, step, entry));
}

void TensorBoardWriter::flush() {
  require(std::fflush(file_) == 0, "TensorBoard event file {}: cannot be written: {}", path_.string(),
          std::strerror(errno));
}

}  // namespace qcface::report
