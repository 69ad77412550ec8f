#include "harness/convert/verify.h"

#include "harness/convert/convert.h"
#include "harness/data/pack_set.h"
#include "tests/harness/cli/qcface_program.h"
#include "tests/harness/convert/made_set.h"

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
  REQUIRE(good.says("7 pictures checked: all are good"));
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
  REQUIRE(bad.says(fmt::format("bad.qpack: byte {}: picture 1 (a b/x\\ny.png): the checksum of its {} bytes differs\n",
                               set.record_begin(1), set.stored_bytes(1))));
  REQUIRE(bad.says(fmt::format("bad.qpack: byte {}: picture 6 (\\xff\\xferaw/z.jpg)", set.record_begin(6))));
  REQUIRE(bad.says("14 pictures checked, 2 bad"));
}

TEST_CASE("what cannot be opened is bad, and the next place is checked", "[verify]") {
  const TemporaryFolder folder;
  make_pack(folder, {{"a", {{"1.jpg", picture_file(1)}}}});
  std::string bytes = read_file(folder / "x.qpack");
  write_bytes(folder / "cut.qpack", bytes.substr(0, bytes.size() - 1));
  const ProcessResult result = run_qcface({"data", "verify", (folder / "cut.qpack").string(), (folder / "none").string(),
                                           (folder / "x.qpack").string()});
  INFO(result.output);
  REQUIRE(result.status == 1);
  REQUIRE(result.says("the end mark of a whole pack is not there"));
  REQUIRE(result.says("none: cannot be opened: No such file or directory"));
  REQUIRE(result.says("1 pictures checked, 2 bad"));
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
  REQUIRE(result.says("3 pictures checked, 2 bad"));
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
  for (int i = 0; i < 2500; ++i) tree["a"][fmt::format("{:04}.png", i)] = i == 3 || i == 2400 ? "none" : picture;
  write_tree(folder / "set", tree);
  const std::vector<std::string> call{"data",      "verify",    (folder / "set").string(),
                                      "--journal", (folder / "check.journal").string(), "--threads", "2"};
  ProcessOptions stop;
  stop.signal = SIGINT;
  stop.signal_when_says = "0003.png: not a picture";
  const ProcessResult stopped = run_qcface(call, stop);
  INFO(stopped.output);
  REQUIRE(stopped.status == 130);
  REQUIRE(stopped.says("are checked; the same command goes on from there"));
  REQUIRE_FALSE(stopped.says("2400.png"));
  const ProcessResult resumed = run_qcface(call);
  INFO(resumed.output);
  REQUIRE(resumed.status == 1);
  REQUIRE(resumed.says("going on behind "));
  REQUIRE(resumed.says("0003.png: not a picture"));
  REQUIRE(resumed.says("2400.png: not a picture"));
  REQUIRE(resumed.says("2500 pictures checked, 2 bad"));
  REQUIRE_FALSE(std::filesystem::exists(folder / "check.journal"));
}

}  // namespace
}  // namespace qcface::test
