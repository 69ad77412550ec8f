#include "harness/data/sets/pack_set.h"

#include <fmt/format.h>

#include <functional>

#include "core/error.h"
#include "tests/harness/convert/made_set.h"
#include "tests/support/process.h"

namespace qcface::test {
namespace {

using data::PackSet;

HandPack three_records() {
  return HandPack({{"first", 0, "a.jpg"}, {"", 2, ""}, {"third one", 2, "x\ny.jpg"}}, {"ada", "", "b/\xFF"});
}

std::string refusal(const std::string& bytes) {
  const TemporaryFolder folder;
  const std::string path = write_bytes(folder / "p.qpack", bytes);
  try {
    const PackSet set(path);
  } catch (const Error& error) {
    REQUIRE_THAT(error.what(), contains("p.qpack: "));
    return error.what();
  }
  return "accepted";
}

TEST_CASE("a pack laid out by hand is read: pictures, labels, names", "[pack]") {
  const TemporaryFolder folder;
  HandPack pack = three_records();
  const PackSet set(write_bytes(folder / "p.qpack", pack.bytes()));
  REQUIRE(set.size() == 3);
  REQUIRE(set.num_classes() == 3);
  REQUIRE(set.class_names() == data::ClassNames{"ada", "", "b/\xFF"});
  REQUIRE(set.label(0) == 0);
  REQUIRE(set.label(2) == 2);
  REQUIRE(set.file_name(0) == "a.jpg");
  REQUIRE(set.file_name(1).empty());
  REQUIRE(set.file_name(2) == "x\ny.jpg");
  REQUIRE(set.name(0) == (folder / "p.qpack").string() + "/ada/a.jpg");
  REQUIRE(set.name(1) == (folder / "p.qpack").string() + "/b/\xFF/1");
  REQUIRE(set.stored_bytes(1) == 0);
  REQUIRE(set.record_begin(2) == 4096 + 5);
  REQUIRE(contents(set) ==
          std::map<std::int64_t, std::vector<std::string>>{{0, {"first"}}, {2, {"", "third one"}}});
  for (int i = 0; i < 3; ++i) REQUIRE(set.check_record(i).empty());
}

TEST_CASE("pixels are handed out without a copy", "[pack]") {
  const TemporaryFolder folder;
  std::string a(3 * 5 * 5, 'a'), b(3 * 5 * 5, 'b');
  HandPack pack({{a, 0, ""}, {b, 1, ""}}, {"x", "y"}, 5);
  const PackSet set(write_bytes(folder / "p.qpack", pack.bytes()));
  REQUIRE(set.kind() == data::PackKind::kPixels);
  std::vector<std::uint8_t> buffer;
  data::StoredPicture first, second;
  REQUIRE(set.read(0, buffer, first).ok());
  REQUIRE(set.read(1, buffer, second).ok());
  REQUIRE(buffer.empty());
  REQUIRE(first.height == 5);
  REQUIRE(std::string(second.bytes.begin(), second.bytes.end()) == b);
  REQUIRE(second.bytes.data() - first.bytes.data() == 128);
  REQUIRE(std::string(first.bytes.begin(), first.bytes.end()) == a);
}

TEST_CASE("damage of any byte but the padding is found", "[pack]") {
  const std::string good = three_records().bytes();
  REQUIRE(refusal(good) == "accepted");
  std::size_t found = 0;
  for (std::size_t at = 0; at < good.size(); at = at == 127 ? 4096 : at + 1) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    if (refusal(bad) != "accepted") {
      ++found;
      continue;
    }
    const TemporaryFolder folder;
    const PackSet set(write_bytes(folder / "p.qpack", bad));
    for (int i = 0; i < 3; ++i) found += set.check_record(i).empty() ? 0 : 1;
  }
  // The header, the 14 bytes of the records, 3 ends, labels, checksums, ends of names, 12 bytes of names, 3 ends and 6 bytes
  // of classes; of the trailer all but its last 8 bytes.
  REQUIRE(found == 128 + 14 + 24 + 12 + 24 + 24 + 12 + 24 + 6 + 120);
}

TEST_CASE("a pack that is cut anywhere is not taken for a whole one", "[pack]") {
  const std::string good = three_records().bytes();
  for (const std::size_t length : {std::size_t{0}, std::size_t{7}, std::size_t{100}, std::size_t{4096},
                                   good.size() - 128, good.size() - 64, good.size() - 1}) {
    REQUIRE_THAT(refusal(good.substr(0, length)), contains("byte "));
  }
  REQUIRE_THAT(refusal(good.substr(0, good.size() - 128)),
               contains("the end mark of a whole pack is not there"));
  REQUIRE_THAT(refusal(good + std::string(64, '\0')), contains("the end mark of a whole pack is not there"));
}

TEST_CASE("forged fields are refused with their byte, whatever the checksums say", "[pack]") {
  struct Case {
    std::function<std::size_t(const HandPack&)> at;
    std::uint64_t value;
    bool wide;
    std::string says;
  };
  const auto in_trailer = [](std::size_t offset) {
    return [offset](const HandPack& p) { return p.trailer() + offset; };
  };
  const auto in_table = [](int table, std::size_t offset) {
    return [table, offset](const HandPack& p) { return p.table(table) + offset; };
  };
  const auto fixed = [](std::size_t at) { return [at](const HandPack&) { return at; }; };
  constexpr std::uint64_t kHuge = 0xFFFFFFFFFFFFFFFFu;
  const std::vector<Case> cases{
      {fixed(8), 7, false, "byte 8: version 7"},
      {fixed(12), 5, false, "byte 12: records of kind 5"},
      {fixed(16), 112, false, "byte 16: pictures of 0 x 112 pixels"},
      {in_trailer(8), 4, true, "the pack has 4 bytes"},
      {in_trailer(16), kHuge, true, "do not end where the file does"},
      {in_trailer(16), 100'000'000'000, true, "do not end where the file does"},
      {in_trailer(16), 2, true, "the checksum of the table of ends of records (16 bytes) differs"},
      {in_trailer(24), kHuge, true, "do not end where the file does"},
      {in_trailer(24), 1'000'000'000, true, "do not end where the file does"},
      {in_trailer(32), kHuge - 63, true, "do not end where the file does"},
      {in_trailer(32), 64, true, "do not end where the file does"},
      {in_trailer(32), 4097, true, "do not end where the file does"},
      {in_trailer(40), kHuge, true, "do not end where the file does"},
      {in_trailer(48), kHuge, true, "do not end where the file does"},
      {in_table(0, 8), kHuge, true, "a record ends at 18446744073709551615, expected 4101 to"},
      {in_table(0, 8), 4096, true, "a record ends at 4096, expected 4101 to"},
      {in_table(1, 4), 3, false, "label 3 of 3 classes"},
      {in_table(1, 4), 0xFFFFFFFF, false, "label 4294967295 of 3 classes"},
      {in_table(3, 0), 99, true, "a picture's name ends at 99, expected 0 to 12"},
      {in_table(3, 16), 2, true, "a picture's name ends at 2, expected 5 to 12"},
      {in_table(5, 8), 1, true, "a class's name ends at 1, expected 3 to"},
      {in_table(5, 16), kHuge, true, "a class's name ends at"},
  };
  for (const Case& c : cases) {
    HandPack pack = three_records();
    const std::size_t at = c.at(pack);
    if (c.wide) {
      pack.forge(at, c.value);
    } else {
      pack.forge(at, static_cast<std::uint32_t>(c.value));
    }
    INFO(c.says);
    const std::string said = refusal(pack.bytes());
    REQUIRE_THAT(said, contains(c.says));
    REQUIRE_THAT(said, contains("byte "));
  }
}

TEST_CASE("records that end long before the tables begin are refused", "[pack]") {
  HandPack pack({{std::string(200, 'x'), 0, "a.jpg"}}, {"ada"});
  pack.forge(pack.table(0), std::uint64_t{4097});
  REQUIRE_THAT(refusal(pack.bytes()), contains("records end at 4097, but tables begin at 4352"));
}

TEST_CASE("a pack of pixels has to be filled by its pictures", "[pack]") {
  HandPack pack({{std::string(27, 'a'), 0, ""}, {std::string(27, 'b'), 0, ""}}, {"x"}, 3);
  REQUIRE(refusal(pack.bytes()) == "accepted");
  for (const std::uint32_t side : {1u, 4u}) {  // 1: as many bytes a record; the next one needs twice as many
    HandPack forged = pack;
    forged.forge(16, side);
    forged.forge(20, side == 1 ? 20000u : side);
    const std::string said = refusal(forged.bytes());
    REQUIRE_THAT(said, contains(side == 1 ? "byte 16: pictures of 20000 x 1 pixels" : "accepted"));
  }
  HandPack large = pack;
  large.forge(16, 16u);
  large.forge(20, 16u);
  REQUIRE_THAT(refusal(large.bytes()), contains("2 pictures of 16 x 16 pixels do not fill the 128 bytes"));
}

TEST_CASE("a reader of packs needs no picture library", "[pack]") {
  const TemporaryFolder folder;
  const std::string pixels(3 * 8 * 8, '\x42');
  HandPack pack({{pixels, 0, "a"}, {pixels, 1, "b"}}, {"x", "y"}, 8);
  const ProcessResult result = run_process({QCFACE_READ_PACK, write_bytes(folder / "p.qpack", pack.bytes())});
  INFO(result.output);
  REQUIRE(result.ok());
  REQUIRE(result.says("pictures 2 classes 2 size 8 x 8"));
  REQUIRE(result.says(
      fmt::format("1 label 1 bytes 192 checksum {:016x}", checksum(pixels.data(), pixels.size()))));
  REQUIRE(result.says("libc.so"));  // the list of libraries is there
  for (const char* library : {"opencv", "jpeg", "png", "tiff", "webp"}) REQUIRE_FALSE(result.says(library));
}

// Ten million records without bytes: what costs time and memory is the tables.
TEST_CASE("ten million records open in seconds, and in little memory", "[pack]") {
  const TemporaryFolder folder;
  constexpr std::uint64_t kRecords = 10'000'000, kClasses = 100'000;
  std::ofstream out(folder / "p.qpack", std::ios::binary);
  std::uint64_t at = 0;
  std::vector<std::uint64_t> sums;
  const auto pad = [&] {
    const std::string zeros((64 - at % 64) % 64, '\0');
    out << zeros;
    at += zeros.size();
  };
  const auto table = [&](std::uint64_t count, auto value) {
    Checksum sum;
    std::vector<decltype(value(0))> block;
    for (std::uint64_t i = 0; i < count;) {
      block.clear();
      for (; i < count && block.size() < 65536; ++i) block.push_back(value(i));
      const std::size_t bytes = block.size() * sizeof block[0];
      out.write(reinterpret_cast<const char*>(block.data()), static_cast<std::streamsize>(bytes));
      sum.add(block.data(), bytes);
      at += bytes;
    }
    sums.push_back(sum.value());
    pad();
  };
  HandPack none({}, {});
  const std::string head = none.bytes().substr(0, 4096);
  out << head;
  at = head.size();
  table(kRecords, [](std::uint64_t) { return std::uint64_t{4096}; });
  table(kRecords, [](std::uint64_t i) { return static_cast<std::uint32_t>(i / 100); });
  table(kRecords, [](std::uint64_t) { return checksum("", 0); });
  table(kRecords, [](std::uint64_t i) { return 8 * (i + 1); });
  table(kRecords, [](std::uint64_t i) { return i; });  // eight bytes a name
  table(kClasses, [](std::uint64_t k) { return 8 * (k + 1); });
  table(kClasses, [](std::uint64_t k) { return k; });
  data::PackTrailer trailer{};
  std::memcpy(trailer.end, data::kPackEnd, 8);
  trailer.file_bytes = at + 128;
  trailer.records = kRecords;
  trailer.classes = kClasses;
  trailer.tables_begin = 4096;
  trailer.names_bytes = 8 * kRecords;
  trailer.class_names_bytes = 8 * kClasses;
  std::copy(sums.begin(), sums.end(), trailer.table_checksum);
  std::string covered = head.substr(0, 128);
  covered.append(reinterpret_cast<const char*>(&trailer), 112);
  trailer.checksum = checksum(covered.data(), covered.size());
  out.write(reinterpret_cast<const char*>(&trailer), sizeof trailer);
  out.close();
  const ProcessResult result = run_process({QCFACE_READ_PACK, (folder / "p.qpack").string()});
  INFO(result.output);
  REQUIRE(result.says("pictures 10000000 classes 100000"));
  double seconds = 0;
  long peak = 0;
  const std::size_t line = result.output.find("opened in ");
  REQUIRE(line != std::string::npos);
  REQUIRE(std::sscanf(result.output.c_str() + line, "opened in %lf s, peak %ld KiB", &seconds, &peak) == 2);
  std::printf("10 million records: %.3f s, peak %ld KiB\n", seconds, peak);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  REQUIRE(peak < 200 * 1024);
#endif
  REQUIRE(seconds < 5);
}

}  // namespace
}  // namespace qcface::test
