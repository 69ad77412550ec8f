#include "harness/convert/verify.h"

#include <fmt/format.h>

#include "harness/convert/convert.h"
#include "harness/data/sets/pack_set.h"
#include "tests/harness/cli/qcface_program.h"
#include "tests/harness/convert/made_set.h"
#include "tests/harness/data/record_writer.h"

namespace qcface::test {
namespace {

void make_pack(const TemporaryFolder& folder, const Tree& tree) {
  write_tree(folder / "from", tree);
  const std::string from = (folder / "from").string();
  convert::ConvertOptions options;
  options.kind = convert::TargetKind::kPack;
  convert::convert_set(*data::open_pictures(from), from, folder / "x.qpack", options);
}

TEST_CASE("a damaged record is named with its byte, and the others are checked", "[verify]") {
  const TemporaryFolder folder;
  make_pack(folder, awkward_tree());
  const std::string path = (folder / "x.qpack").string();
  const ProcessResult good = run_qcface({"data", "verify", path});
  INFO(good.output);
  REQUIRE(good.ok());
  REQUIRE(good.says("7 pictures and records checked: all are good"));
  const data::PackSet set(path);
  std::string bytes = read_file(path);
  for (const int record : {1, 6}) {
    const auto at = set.record_begin(record) + set.stored_bytes(record) / 2;
    bytes[at] = static_cast<char>(bytes[at] + 1);
  }
  write_bytes(folder / "bad.qpack", bytes);
  const ProcessResult bad = run_qcface({"data", "verify", (folder / "bad.qpack").string(), path});
  INFO(bad.output);
  REQUIRE(bad.status == 1);
  REQUIRE(bad.says(
      fmt::format("bad.qpack: byte {}: picture 1 (a b/x\\ny.png): the checksum of its {} bytes differs\n",
                  set.record_begin(1), set.stored_bytes(1))));
  REQUIRE(
      bad.says(fmt::format("bad.qpack: byte {}: picture 6 (\\xff\\xferaw/\\xc3.jpg)", set.record_begin(6))));
  REQUIRE(bad.says("14 pictures and records checked, 2 bad"));
}

TEST_CASE("what cannot be opened is bad, and the next place is checked", "[verify]") {
  const TemporaryFolder folder;
  make_pack(folder, {{"a", {{"1.jpg", picture_file(1)}}}});
  std::string bytes = read_file(folder / "x.qpack");
  write_bytes(folder / "cut.qpack", bytes.substr(0, bytes.size() - 1));
  const ProcessResult result = run_qcface({"data", "verify", (folder / "cut.qpack").string(),
                                           (folder / "none").string(), (folder / "x.qpack").string()});
  INFO(result.output);
  REQUIRE(result.status == 1);
  REQUIRE(result.says("the end mark of a whole pack is not there"));
  REQUIRE(result.says("none: cannot be opened: No such file or directory"));
  REQUIRE(result.says("1 pictures and records checked, 2 bad"));
}

TEST_CASE("every picture of a folder has to decode, at any depth", "[verify]") {
  const TemporaryFolder folder;
  std::string cut = picture_file(1);
  cut.resize(cut.size() - 30);
  write_tree(folder / "set", {{"a", {{"1.jpg", picture_file(1)}, {"cut\n.jpg", cut}}}});
  std::filesystem::create_directories(folder / "set/deep/deeper");
  write_bytes(folder / "set/deep/deeper/x.png", "none");
  const ProcessResult result = run_qcface({"data", "verify", (folder / "set").string()});
  INFO(result.output);
  REQUIRE(result.status == 1);
  REQUIRE(result.says("set/a/cut\\n.jpg: "));
  REQUIRE(result.says("deeper/x.png: not a picture format this program knows"));
  REQUIRE(result.says("3 pictures and records checked, 2 bad"));
}

TEST_CASE("pictures of a pack that do not decode are found where that is asked for", "[verify]") {
  const TemporaryFolder folder;
  make_pack(folder, {{"a", {{"1.jpg", picture_file(1)}, {"2.jpg", "none"}}}});
  REQUIRE(run_qcface({"data", "verify", (folder / "x.qpack").string()}).ok());
  const ProcessResult decoded = run_qcface({"data", "verify", "--decode", (folder / "x.qpack").string()});
  REQUIRE(decoded.status == 1);
  REQUIRE(decoded.says("picture 1 (a/2.jpg): not a picture format this program knows"));
}

TEST_CASE("a check that was stopped goes on, and tells again what it had found", "[verify]") {
  const TemporaryFolder folder;
  Tree tree;
  const std::string picture = picture_file(1, ".png", 200, 200);
  for (int i = 0; i < 1200; ++i)
    tree["a"][fmt::format("{:04}.png", i)] = i == 3 || i == 1150 ? "none" : picture;
  write_tree(folder / "set", tree);
  const std::vector<std::string> call{
      "data",      "verify", (folder / "set").string(), "--journal", (folder / "check.journal").string(),
      "--threads", "2"};
  ProcessOptions stop;
  stop.signal = SIGINT;
  stop.signal_when_says = "0003.png: not a picture";
  const ProcessResult stopped = run_qcface(call, stop);
  INFO(stopped.output);
  REQUIRE(stopped.status == 130);
  REQUIRE(stopped.says("are checked; the same command goes on from there"));
  REQUIRE_FALSE(stopped.says("1150.png"));
  const ProcessResult resumed = run_qcface(call);
  INFO(resumed.output);
  REQUIRE(resumed.status == 1);
  REQUIRE(resumed.says("going on behind "));
  REQUIRE(resumed.says("0003.png: not a picture"));
  REQUIRE(resumed.says("1150.png: not a picture"));
  REQUIRE(resumed.says("1200 pictures and records checked, 2 bad"));
  REQUIRE_FALSE(std::filesystem::exists(folder / "check.journal"));
}

TEST_CASE("RecordIO: framing, index and pictures, each fault with its place", "[verify]") {
  const TemporaryFolder folder;
  RecordWriter good;
  for (std::uint64_t key = 1; key <= 6; ++key)
    good.add(key, {static_cast<float>(key / 4)}, picture_file(static_cast<std::uint32_t>(key)));
  const auto verify = [&](const RecordWriter& set, bool with_index = true) {
    std::filesystem::remove_all(folder / "set");
    return run_qcface({"data", "verify", set.write(folder / "set", with_index).string()});
  };
  const ProcessResult whole = verify(good);
  INFO(whole.output);
  REQUIRE(whole.ok());
  REQUIRE(whole.says("6 pictures and records checked: all are good"));

  RecordWriter bad = good;
  bad.add(7, {1.0f}, "no picture");
  const std::size_t at = bad.file.size() - 44;
  const ProcessResult picture = verify(bad);
  INFO(picture.output);
  REQUIRE(picture.status == 1);
  REQUIRE(picture.says(fmt::format("train.rec: byte {}: id 7: not a picture format this program knows", at)));

  // A break in the framing: what the index names behind it is looked at all the same.
  std::vector<std::size_t> offsets;
  for (std::size_t line = 0; line < good.index.size(); line = good.index.find('\n', line) + 1)
    offsets.push_back(std::stoul(good.index.substr(good.index.find('\t', line) + 1)));
  RecordWriter broken = good;
  broken.file[offsets[2]] = 'x';
  const ProcessResult framing = verify(broken);
  INFO(framing.output);
  REQUIRE(framing.status == 1);
  REQUIRE(framing.says(fmt::format("train.rec: byte {}: magic word", offsets[2])));
  REQUIRE(framing.says("5 pictures and records checked, 1 bad"));
  REQUIRE(verify(broken, false).says("2 pictures and records checked, 1 bad"));

  RecordWriter index = good;
  index.index = fmt::format("1\t0\n2\t{}\n3\t4\n", offsets[1]);
  const ProcessResult lines = verify(index);
  INFO(lines.output);
  REQUIRE(lines.says("train.idx: 1 lines name places where no record begins, for example byte 4 of "));
  REQUIRE(lines.says(fmt::format("have no line, for example the one at byte {}", offsets[2])));
  REQUIRE(lines.says("train.idx: 4 records of "));
  index.index = "1\tzero\n";
  REQUIRE(verify(index).says("train.idx"));

  RecordWriter cut = good;
  cut.file.resize(cut.file.size() - 8);
  REQUIRE(verify(cut).says(fmt::format("train.rec: byte {}: a part of ", offsets[5] + 4)));
  // The vectors: classic with its records of classes.
  REQUIRE(run_qcface({"data", "verify", vectors("recordio/classic.rec").string(),
                      vectors("recordio/im2rec.rec").string()})
              .says("18 pictures and records checked: all are good"));
}

TEST_CASE("verification packs are checked picture by picture", "[verify]") {
  REQUIRE(run_qcface({"data", "verify", vectors("bin/py3_protocol4.bin").string()})
              .says("8 pictures and records checked: all are good"));
  for (const char* name : {"bin/reject_truncated.bin", "bin/reject_global.bin"}) {
    const ProcessResult refused = run_qcface({"data", "verify", vectors(name).string()});
    INFO(refused.output);
    REQUIRE(refused.status == 1);
    REQUIRE(refused.says(name));
    REQUIRE(refused.says("0 pictures and records checked, 1 bad"));
  }
}

}  // namespace
}  // namespace qcface::test
