// Framing, header and index of RecordIO: the vectors, and every way to be refused.
#include "harness/data/record_file.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "tests/harness/data/record_writer.h"
#include "tests/support/catch.h"
#include "tests/support/sha256.h"
#include "tests/support/test_data.h"

using namespace qcface;
using namespace qcface::data;
using test::RecordWriter;

namespace {

std::span<const std::uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string hex(std::span<const std::uint8_t> bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) {
    constexpr const char* kDigits = "0123456789abcdef";
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

nlohmann::json expected() {
  std::ifstream file(test::vectors("recordio/expected.json"));
  return nlohmann::json::parse(file);
}

std::string vector_file(const char* name) { return read_file(test::vectors("recordio") / name); }

std::vector<IndexEntry> parse_index(const std::string& text, std::uint64_t record_bytes,
                                    std::size_t block = SIZE_MAX) {
  std::vector<IndexEntry> entries;
  IndexParser parser("train.idx", record_bytes);
  const auto sink = [&](IndexEntry entry) { entries.push_back(entry); };
  for (std::size_t at = 0; at < text.size(); at += std::min(block, text.size() - at))
    parser.parse(std::string_view(text).substr(at, block), sink);
  parser.finish(sink);
  return entries;
}

// Reads a record that must not be whole.
Record faulty(const std::string& file, std::uint64_t offset = 0) {
  std::vector<std::uint8_t> buffer;
  Record record = read_record(bytes_of(file), offset, buffer);
  REQUIRE_FALSE(record.ok());
  return record;
}

}  // namespace

TEST_CASE("vector: SHA-256 of nothing and of abc") {
  REQUIRE(test::sha256({}) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  REQUIRE(test::sha256(bytes_of("abc")) ==
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("vector: split records are joined with the magic word between their parts") {
  const std::string file = vector_file("framing.rec");
  const nlohmann::json wanted = expected().at("framing");
  REQUIRE(wanted.size() == 9);
  std::vector<std::uint8_t> buffer;
  std::uint64_t next = 0;
  for (const auto& one : wanted) {
    INFO(one.at("name"));
    const auto offset = one.at("offset").get<std::uint64_t>();
    REQUIRE(offset == next);
    const Record record = read_record(bytes_of(file), offset, buffer);
    INFO(record.fault);
    REQUIRE(record.ok());
    REQUIRE(record.length == one.at("payload_bytes").get<std::uint64_t>());
    REQUIRE(hex(record.payload) == one.at("hex").get<std::string>());
    next = record.end;

    // The first bytes alone, where they are enough.
    const Record part = read_record(bytes_of(file), offset, buffer, 5);
    REQUIRE(part.length == record.length);
    REQUIRE(part.end == record.end);
    REQUIRE(hex(part.payload).substr(0, 10) == one.at("hex").get<std::string>().substr(0, 10));
  }
  REQUIRE(next == file.size());
}

TEST_CASE("vector: every picture of both layouts has its hash") {
  const nlohmann::json all = expected();
  const auto check = [](const std::string& file, const nlohmann::json& pictures) {
    std::vector<std::uint8_t> buffer;
    for (const auto& one : pictures) {
      INFO(one.at("key"));
      const Record record = read_record(bytes_of(file), one.at("offset").get<std::uint64_t>(), buffer);
      REQUIRE(record.ok());
      REQUIRE(record.length == one.at("payload_bytes").get<std::uint64_t>());
      RecordHeader header;
      REQUIRE(parse_record_header(record, header).empty());
      REQUIRE(header.id == one.at("key").get<std::uint64_t>());
      REQUIRE(header.labels[0] == one.at("label").get<float>());
      const auto picture = record.payload.subspan(header.picture);
      REQUIRE(picture.size() == one.at("jpeg_bytes").get<std::size_t>());
      REQUIRE(test::sha256(picture) == one.at("jpeg_sha256").get<std::string>());
    }
    return pictures.size();
  };
  REQUIRE(check(vector_file("classic.rec"), all.at("classic").at("images")) == 8);
  REQUIRE(check(vector_file("im2rec.rec"), all.at("im2rec")) == 6);
  const std::string classic = vector_file("classic.rec");
  std::vector<std::uint8_t> buffer;
  for (const auto& one : all.at("classic").at("identities")) {
    const Record record =
        read_record(bytes_of(classic), one.at("offset").get<std::uint64_t>(), buffer, RecordHeader::kEnough);
    RecordHeader header;
    REQUIRE(parse_record_header(record, header).empty());
    REQUIRE(header.flag == 2);
    REQUIRE(header.picture == record.length);
    REQUIRE(header.labels[0] == one.at("range").at(0).get<float>());
    REQUIRE(header.labels[1] == one.at("range").at(1).get<float>());
  }
}

TEST_CASE("records that are not whole are refused with their byte") {
  RecordWriter writer;
  writer.add(0, "12345678");  // 16 bytes
  const std::string first = writer.file;
  const auto with_part = [&](std::uint32_t cflag, std::string_view data) {
    RecordWriter more = writer;
    more.add_part(cflag, data);
    return more.file;
  };
  SECTION("no magic word") {
    const Record record = faulty(first + "JPEGJPEG", 16);
    REQUIRE(record.fault_at == 16);
    REQUIRE_THAT(record.fault, test::contains("magic word 0x4745504A, expected 0xCED7230A"));
  }
  SECTION("an offset inside a record, or beyond the file") {
    REQUIRE_THAT(faulty(first, 8).fault, test::contains("no record begins here"));
    REQUIRE_THAT(faulty(first, 17).fault, test::contains("beyond the end"));
    REQUIRE_THAT(faulty(first, UINT64_MAX).fault, test::contains("beyond the end"));
  }
  SECTION("a head that is cut off") {
    const Record record = faulty(first + first.substr(0, 5), 16);
    REQUIRE(record.fault_at == 16);
    REQUIRE_THAT(record.fault, test::contains("5 bytes are left, expected 8"));
    REQUIRE_THAT(faulty(first, 16).fault, test::contains("0 bytes are left"));
  }
  SECTION("parts out of order") {
    for (const std::uint32_t cflag : {2u, 3u, 4u, 7u}) {
      const Record record = faulty(with_part(cflag, "abcd"), 16);
      REQUIRE(record.fault_at == 20);
      REQUIRE_THAT(record.fault, test::contains(fmt::format("cflag {}, expected 0", cflag)));
    }
    for (const std::uint32_t cflag : {0u, 1u, 4u, 7u}) {
      RecordWriter split;
      split.add_part(1, "abcd");
      split.add_part(2, "");
      split.add_part(cflag, "efgh");
      const Record record = faulty(split.file);
      REQUIRE(record.fault_at == 12 + 8 + 4);
      REQUIRE_THAT(record.fault, test::contains(fmt::format("cflag {}, expected 2 or 3", cflag)));
    }
  }
  SECTION("a split record without its last part") {
    const std::string file = with_part(1, "abcd");
    const Record record = faulty(file, 16);
    REQUIRE(record.fault_at == file.size());
    REQUIRE_THAT(record.fault, test::contains("ends inside a split record"));
  }
  SECTION("lengths past the end of the file") {
    std::string file = first;
    for (const std::uint32_t length : {9u, 12u, 0x1FFFFFFFu}) {
      std::memcpy(file.data() + 4, &length, 4);
      const Record record = faulty(file);
      REQUIRE(record.fault_at == 4);
      REQUIRE_THAT(record.fault, test::contains("but the file ends after 8"));
    }
    std::string unpadded = with_part(0, "abcde");
    unpadded.resize(unpadded.size() - 1);
    REQUIRE_THAT(faulty(unpadded, 16).fault,
                 test::contains("8 bytes with its padding, but the file ends after 7"));
  }
  SECTION("headers") {
    std::vector<std::uint8_t> buffer;
    RecordHeader header;
    const auto fault_of = [&](const std::string& payload) {
      RecordWriter one;
      one.add_part(0, payload);
      const Record record = read_record(bytes_of(one.file), 0, buffer);
      REQUIRE(record.ok());
      return parse_record_header(record, header);
    };
    REQUIRE_THAT(fault_of(std::string(23, 'x')), test::contains("23 bytes, expected a header of 24"));
    std::string many = test::record_payload(1, {1.0f, 2.0f}, "");
    REQUIRE(fault_of(many).empty());
    REQUIRE(header.labels[1] == 2.0f);
    for (const std::uint32_t flag : {3u, 0x40000000u, 0xFFFFFFFFu}) {
      std::memcpy(many.data(), &flag, 4);
      REQUIRE_THAT(fault_of(many),
                   test::contains(fmt::format("{} labels, but the record ends after 32", flag)));
    }
  }
}

TEST_CASE("what is joined stays below 2^29 bytes") {
  // A file of so many bytes is too much for a test, so the claim alone: nothing is allocated for it.
  RecordWriter writer;
  writer.add_part(1, "abcd");
  std::string file = writer.file;
  const std::uint32_t word = 1u << 29 | 0x1FFFFFFFu;
  std::memcpy(file.data() + 4, &word, 4);
  std::vector<std::uint8_t> buffer;
  REQUIRE_FALSE(read_record(bytes_of(file), 0, buffer).ok());
  REQUIRE(buffer.capacity() == 0);
}

TEST_CASE("an index is read line by line, wherever its blocks end") {
  const std::string text = "3\t0\n0 760\r\n\n4\t1524\n1\t2288";
  for (const std::size_t block : {std::size_t{1}, std::size_t{2}, std::size_t{7}, SIZE_MAX}) {
    const auto entries = parse_index(text, 4000, block);
    REQUIRE(entries.size() == 4);
    REQUIRE((entries[0].key == 3 && entries[0].offset == 0));
    REQUIRE((entries[1].key == 0 && entries[1].offset == 760));
    REQUIRE((entries[3].key == 1 && entries[3].offset == 2288));
  }
  REQUIRE(parse_index("18446744073709551615\t0\n", 4).front().key == UINT64_MAX);
  REQUIRE(parse_index("", 4).empty());
}

TEST_CASE("malformed lines of an index are named") {
  const auto refused = [](const std::string& text, const std::string& why) {
    INFO(text);
    for (const std::size_t block : {std::size_t{3}, SIZE_MAX})
      REQUIRE_THROWS_WITH(parse_index(text, 1000, block),
                          test::contains(why) && test::contains("train.idx: line "));
  };
  refused("1\t0\n2;8\n", "line 2: '2;8', expected a key, a tab and an offset");
  refused("1\t0\n2\n", "line 2: '2'");
  refused("1\t0\n2\t-8\n", "line 2");
  refused("1\t0\n2\t8 x\n", "line 2");
  refused("1.0\t0\n", "line 1: '1.0");
  refused("18446744073709551616\t0\n", "expected a key");
  refused("1\t0\n2\t996\n3\t1000\n",
          "line 3: offset 1000 lies beyond the end of the record file (1000 bytes)");
  refused("1\t6\n", "line 1: offset 6, expected a multiple of 4");
  refused("1\t4" + std::string(500, ' ') + "x\n", "line 1");
  refused(std::string(2000, '\0'), "line 1: '\\x00");
}
