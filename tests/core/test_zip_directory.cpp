// The directory of zip archives (data-formats.md section 5), and everything that can be wrong with one.
#include "core/zip_directory.h"

#include <cstdint>
#include <string>

#include "core/error.h"
#include "tests/core/pickle_support.h"
#include "tests/support/catch.h"

using namespace qcface;
using test::number;
using test::zip_of;

namespace {

std::string refusal(const std::string& bytes) {
  try {
    (void)read_zip_directory("memory", test::bytes_of(bytes));
  } catch (const Error& error) {
    return error.what();
  }
  return "read";
}
void refused(const std::string& bytes, const std::string& expected) {
  const std::string message = refusal(bytes);
  INFO(message);
  CHECK(message.find("memory: byte ") == 0);
  CHECK(message.find(expected) != std::string::npos);
}

// As Zip64 has it: the end record is saturated, the true numbers stand in front of it.
std::string with_zip64_end(const std::string& archive, std::uint64_t count, std::uint64_t moved = 0) {
  const std::size_t end = archive.size() - 22;
  std::uint32_t size = 0, start = 0;
  std::memcpy(&size, archive.data() + end + 12, 4);
  std::memcpy(&start, archive.data() + end + 16, 4);
  const std::string end64 = "PK\x06\x06" + number(std::uint64_t{44}) + number(std::uint32_t{0}) +
                            number(std::uint64_t{0}) + number(count) + number(count) +
                            number(std::uint64_t{size}) + number(std::uint64_t{start});
  const std::string locator =
      "PK\x06\x07" + number(std::uint32_t{0}) + number(std::uint64_t{end + moved}) + number(std::uint32_t{1});
  return archive.substr(0, end) + end64 + locator + "PK\x05\x06" + std::string(4, '\0') +
         std::string(12, '\xff') + std::string(2, '\0');
}

}  // namespace

TEST_CASE("zip: entries by name, their data where the local headers say", "[zip]") {
  const std::string archive = zip_of({{"a/x", "hello"}, {"a/empty", ""}, {"b", "more"}});
  const ZipDirectory entries = read_zip_directory("memory", test::bytes_of(archive));
  REQUIRE(entries.size() == 3);
  const ZipEntry& x = entries.at("a/x");
  CHECK(archive.substr(x.offset, x.bytes.size()) == "hello");
  CHECK(reinterpret_cast<const char*>(x.bytes.data()) == archive.data() + x.offset);
  CHECK(entries.at("a/empty").bytes.empty());
  CHECK_NOTHROW(check_crc("memory", "a/x", x));
  const std::string spoilt = zip_of({{.name = "a/x", .data = "hello", .crc_error = 1}});
  const ZipDirectory other = read_zip_directory("memory", test::bytes_of(spoilt));
  CHECK_THROWS_WITH(check_crc("memory", "a/x", other.at("a/x")),
                    test::contains("entry a/x has the CRC-32") && test::contains("memory: byte 40"));
  CHECK(refusal(archive.substr(0, archive.size() - 2) + std::string("\x03\0abc", 5)) == "read");  // a comment
  CHECK(refusal(zip_of({})) == "read");
}

TEST_CASE("zip: Zip64 records and fields", "[zip]") {
  const std::string plain = zip_of({{"a", "hello"}, {"b", "more"}});
  CHECK(refusal(with_zip64_end(plain, 2)) == "read");
  refused(with_zip64_end(plain, 2, 1), "Zip64 end record is not where it should be");
  refused(with_zip64_end(plain, UINT64_MAX), "entries do not fit into a directory");
  std::string field = number(std::uint16_t{1}) + number(std::uint16_t{24}) + number(std::uint64_t{5}) +
                      number(std::uint64_t{5}) + number(std::uint64_t{0});
  const std::string other = number(std::uint16_t{9}) + number(std::uint16_t{2}) + "zz";
  CHECK(refusal(zip_of({{.name = "a",
                         .data = "hello",
                         .claimed_bytes = UINT32_MAX,
                         .claimed_offset = UINT32_MAX,
                         .extra = other + field}})) == "read");
  refused(zip_of({{.name = "a", .data = "hello", .claimed_bytes = UINT32_MAX}}), "lacks its Zip64 field");
  field[2] = 8;
  refused(zip_of({{.name = "a", .data = "hello", .claimed_bytes = UINT32_MAX, .extra = field}}),
          "a Zip64 field is too short");
  refused(zip_of({{.name = "a",
                   .data = "hello",
                   .extra = number(std::uint16_t{9}) + number(std::uint16_t{9}) + "zz"}}),
          "an extra field reaches past");
  const std::string beyond = number(std::uint16_t{1}) + number(std::uint16_t{16}) +
                             number(std::uint64_t{UINT64_MAX}) + number(std::uint64_t{UINT64_MAX});
  refused(zip_of({{.name = "a", .data = "hello", .claimed_bytes = UINT32_MAX, .extra = beyond}}),
          "reaches past");
}

TEST_CASE("zip: archives that are refused, with the byte", "[zip]") {
  refused("", "its directory is missing");
  refused("PK\x03\x04", "its directory is missing");
  const std::string good = zip_of({{"a", "hello"}, {"b", "more"}});
  REQUIRE(refusal(good) == "read");
  for (std::size_t size = 0; size < good.size(); ++size) CHECK(refusal(good.substr(0, size)) != "read");
  refused(zip_of({{.name = "a", .data = "hello", .method = 8}}), "entry a is compressed (method 8)");
  refused(zip_of({{.name = "a", .data = "hello", .flags = 1}}), "entry a is encrypted");
  refused(zip_of({{.name = "a", .data = "hello", .claimed_bytes = 1u << 30}}),
          "entry a of 1073741824 bytes reaches past");
  refused(zip_of({{.name = "a", .data = "hello", .claimed_offset = 1 << 20}}), "is not before the directory");
  refused(zip_of({{.name = "a", .data = "hello", .claimed_offset = 3}}),
          "byte 3: zip archive: the local header of entry a is missing");
  refused(zip_of({{.name = "a", .data = "hello", .local_name = "c"}}), "has another name");
  refused(zip_of({{"a", "hello"}, {"a", "more"}}), "there are two entries a");
  // Two entries over one another: the same header under two names is told by its name, so the second lies in the first's data.
  const std::string inner = zip_of({{.name = "b", .data = "x", .local_extra = 0}});
  const std::string data = inner.substr(0, inner.find("PK\x01\x02"));
  refused(zip_of({{.name = "a", .data = data, .local_extra = 0},
                  {.name = "b", .data = "x", .claimed_offset = 31}}),
          "byte 31: zip archive: entry b begins inside the one before it");
  std::string wrong = good;
  wrong[wrong.size() - 22 + 4] = 1;
  refused(wrong, "one of several parts");
  wrong = good;
  wrong[wrong.size() - 22 + 8] = wrong[wrong.size() - 22 + 10] = 9;
  refused(wrong, "9 entries do not fit");
  wrong = good;
  wrong[wrong.size() - 22 + 16 + 2] = 1;
  refused(wrong, "reaches past its end record");
  wrong = good;
  wrong[wrong.find("PK\x01\x02")] = 'X';
  refused(wrong, "an entry of its directory is missing");
  wrong = good;
  wrong[wrong.find("PK\x01\x02") + 28] = 60;  // length of the name
  refused(wrong, "");
}
