// Event files read back by a parser written for this test from the format's description.
#include "harness/report/tensorboard.h"

#include <cstring>
#include <fstream>
#include <iterator>
#include <map>

#include "tests/harness/eval/fake_embedder.h"
#include "tests/harness/eval/support.h"

using namespace qcface;
using namespace qcface::report;

namespace {

// Bit by bit, with the reflected polynomial.
std::uint32_t slow_crc32c(const std::string& bytes) {
  std::uint32_t crc = 0xFFFFFFFFu;
  for (const char c : bytes) {
    for (int bit = 0; bit < 8; ++bit) {
      const std::uint32_t mix = (crc ^ (static_cast<unsigned char>(c) >> bit)) & 1u;
      crc = (crc >> 1) ^ (mix ? 0x82F63B78u : 0u);
    }
  }
  return crc ^ 0xFFFFFFFFu;
}

template <class T>
T take(const std::string& bytes, std::size_t& at) {
  REQUIRE(at + sizeof(T) <= bytes.size());
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  at += sizeof(T);
  return value;
}

std::vector<std::string> read_records(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(stream)), {});
  std::vector<std::string> records;
  const auto masked = [](const std::string& text) {
    const std::uint32_t crc = slow_crc32c(text);
    return static_cast<std::uint32_t>(((crc >> 15) | (crc << 17)) + 0xA282EAD8u);
  };
  for (std::size_t at = 0; at < bytes.size();) {
    const std::string length_bytes = bytes.substr(at, 8);
    const auto length = take<std::uint64_t>(bytes, at);
    REQUIRE(take<std::uint32_t>(bytes, at) == masked(length_bytes));
    REQUIRE(at + length + 4 <= bytes.size());
    records.push_back(bytes.substr(at, length));
    at += length;
    REQUIRE(take<std::uint32_t>(bytes, at) == masked(records.back()));
  }
  return records;
}

struct Field {
  std::uint64_t number = 0;  // varint, or raw bits
  std::string bytes;
};

std::uint64_t take_varint(const std::string& bytes, std::size_t& at) {
  std::uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = take<std::uint8_t>(bytes, at);
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
}

std::map<int, Field> parse(const std::string& message) {
  std::map<int, Field> fields;
  for (std::size_t at = 0; at < message.size();) {
    const std::uint64_t key = take_varint(message, at);
    Field& field = fields[static_cast<int>(key >> 3)];
    switch (key & 7) {
      case 0:
        field.number = take_varint(message, at);
        break;
      case 1:
        field.number = take<std::uint64_t>(message, at);
        break;
      case 5:
        field.number = take<std::uint32_t>(message, at);
        break;
      default: {
        REQUIRE((key & 7) == 2);
        const std::uint64_t length = take_varint(message, at);
        REQUIRE(at + length <= message.size());
        field.bytes = message.substr(at, length);
        at += length;
      }
    }
  }
  return fields;
}

double as_double(std::uint64_t bits) {
  double value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}
float as_float(std::uint64_t bits) {
  const auto narrow = static_cast<std::uint32_t>(bits);
  float value;
  std::memcpy(&value, &narrow, sizeof(value));
  return value;
}
std::vector<double> as_doubles(const std::string& bytes) {
  std::vector<double> values(bytes.size() / sizeof(double));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(double));
  return values;
}

}  // namespace

TEST_CASE("CRC-32C vectors of RFC 3720") {
  const std::string zeros(32, '\0'), ones(32, '\xFF');
  std::string up, down;
  for (int i = 0; i < 32; ++i) {
    up.push_back(static_cast<char>(i));
    down.push_back(static_cast<char>(31 - i));
  }
  REQUIRE(crc32c(zeros.data(), 32) == 0x8A9136AAu);
  REQUIRE(crc32c(ones.data(), 32) == 0x62A8AB43u);
  REQUIRE(crc32c(up.data(), 32) == 0x46DD794Eu);
  REQUIRE(crc32c(down.data(), 32) == 0x113FDB5Cu);
  REQUIRE(crc32c("123456789", 9) == 0xE3069283u);
  REQUIRE(crc32c("6789", 4, crc32c("12345", 5)) == 0xE3069283u);
}

TEST_CASE("TensorBoard scalars and histograms read back") {
  const test::TemporaryFolder folder;
  TensorBoardWriter writer(folder.path() / "events");
  writer.scalar("train/loss", 7, 1.25, 1000.5);
  writer.scalar("train/loss", 3'000'000'000, -0.5);
  const std::vector<double> edges{0, 2, 4, 8}, counts{1, 0, 5};
  writer.histogram("train/magnitude", 9, edges, counts, 1001);
  writer.flush();

  const auto records = read_records(writer.path());
  REQUIRE(records.size() == 4);
  REQUIRE(parse(records[0])[3].bytes == "brain.Event:2");

  auto event = parse(records[1]);
  REQUIRE(as_double(event[1].number) == 1000.5);
  REQUIRE(event[2].number == 7);
  auto value = parse(parse(event[5].bytes)[1].bytes);
  REQUIRE(value[1].bytes == "train/loss");
  REQUIRE(as_float(value[2].number) == 1.25f);

  event = parse(records[2]);
  REQUIRE(event[2].number == 3'000'000'000u);
  REQUIRE(as_double(event[1].number) > 1.6e9);

  event = parse(records[3]);
  value = parse(parse(event[5].bytes)[1].bytes);
  REQUIRE(value[1].bytes == "train/magnitude");
  auto histogram = parse(value[5].bytes);
  REQUIRE(as_double(histogram[1].number) == 0);
  REQUIRE(as_double(histogram[2].number) == 8);
  REQUIRE(as_double(histogram[3].number) == 6);
  REQUIRE(as_double(histogram[4].number) == 1 + 5 * 6);
  REQUIRE(as_double(histogram[5].number) == 1 + 5 * 36);
  REQUIRE(as_doubles(histogram[6].bytes) == edges);
  REQUIRE(as_doubles(histogram[7].bytes) == std::vector<double>{0, 1, 0, 5});
  REQUIRE(
      test::contains(test::error_of([&] { writer.histogram("x", 0, counts, counts); }), "expected one more"));
}

TEST_CASE("TensorBoard: every start has a file of its own") {
  const test::TemporaryFolder folder;
  TensorBoardWriter first(folder.path());
  TensorBoardWriter second(folder.path());
  REQUIRE(first.path() != second.path());
  REQUIRE(test::contains(first.path().filename().string(), "events.out.tfevents."));
  std::ofstream(folder.path() / "file") << "x";
  REQUIRE(test::contains(test::error_of([&] { TensorBoardWriter bad(folder.path() / "file"); }), "file"));
}
