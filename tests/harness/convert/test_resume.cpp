// Work that is stopped in every way that there is, and goes on.
#include <fmt/format.h>

#include <csignal>

#include "harness/convert/convert.h"
#include "tests/harness/cli/qcface_program.h"
#include "tests/harness/convert/made_set.h"

namespace qcface::test {
namespace {

// Enough pictures for a stop in the middle, small enough for a quick test.
Tree many_pictures(std::uint32_t count) {
  Tree tree;
  for (std::uint32_t i = 0; i < count; ++i)
    tree[fmt::format("p{:02}", i / 40)][fmt::format("{:04}.png", i)] =
        i % 97 == 5 ? std::string("broken") : picture_file(i % 11, ".png", 40, 40);
  return tree;
}

std::vector<std::string> convert_call(const TemporaryFolder& folder, const std::string& to,
                                      bool pixels = false) {
  std::vector<std::string> call{
      "data",      "convert", "--from", (folder / "from").string(), "--check", "--to", (folder / to).string(),
      "--threads", "2"};
  if (pixels) call.insert(call.end(), {"--pixels", "--size", "64"});
  return call;
}

bool same_result(const TemporaryFolder& folder, const std::string& a, const std::string& b) {
  if (std::filesystem::is_directory(folder / a)) return tree_of(folder / a) == tree_of(folder / b);
  bool same = read_file(folder / a) == read_file(folder / b);
  if (a.ends_with(".rec")) {
    const auto index = [&](const std::string& rec) {
      return read_file((folder / rec).replace_extension(".idx"));
    };
    same = same && index(a) == index(b);
  }
  return same;
}

TEST_CASE("a full disk says so, keeps what is done, and the same command goes on", "[resume]") {
  const TemporaryFolder folder;
  write_tree(folder / "from", many_pictures(300));
  for (const std::string suffix : {".qpack", ".rec"}) {
    const bool pixels = suffix == ".qpack";
    REQUIRE(run_qcface(convert_call(folder, "whole" + suffix, pixels)).ok());
    const auto size = std::filesystem::file_size(folder / ("whole" + suffix));
    // A limit that even the journal's last block or the tables run into, one in the middle, one at the very start.
    for (const std::size_t limit : {size - 100, size / 2, std::size_t{5000}}) {
      const std::string to = fmt::format("limit-{}{}", limit, suffix);
      ProcessOptions full;
      full.file_size_limit = limit;
      const ProcessResult stopped = run_qcface(convert_call(folder, to, pixels), full);
      INFO(stopped.output);
      REQUIRE(stopped.status == 1);
      REQUIRE(stopped.says(
          "File too large; what was done before is kept: make room and give the same command again"));
      REQUIRE_FALSE(std::filesystem::exists(folder / to));
      REQUIRE(std::filesystem::exists(folder / (to + ".journal")));
      const ProcessResult resumed = run_qcface(convert_call(folder, to, pixels));
      INFO(resumed.output);
      REQUIRE(resumed.ok());
      if (limit == size - 100) REQUIRE(resumed.says("going on behind 300 of 300 pictures"));
      REQUIRE(resumed.says("4 left out"));
      REQUIRE(same_result(folder, "whole" + suffix, to));
      REQUIRE_FALSE(std::filesystem::exists(folder / (to + ".journal")));
      REQUIRE_FALSE(std::filesystem::exists(folder / (to + ".part")));
    }
  }
}

TEST_CASE("killed at any moment, the result is the one of a call that was not", "[resume]") {
  const TemporaryFolder folder;
  write_tree(folder / "from", many_pictures(600));
  for (const std::string to : {"x.qpack", "x.rec", "x"}) {
    const bool pixels = to != "x.rec";
    const std::string whole = "whole-" + to;
    REQUIRE(run_qcface(convert_call(folder, whole, pixels)).ok());
    int stops = 0;
    for (int i = 0; i < 8; ++i) {
      ProcessOptions stop;
      stop.signal = i % 2 == 0 ? SIGKILL : SIGINT;
      stop.signal_after_s = 0.05 + 0.03 * i;
      const ProcessResult result = run_qcface(convert_call(folder, to, pixels), stop);
      INFO(result.output);
      if (result.ok()) break;
      REQUIRE(result.status == 128 + stop.signal);
      // Between the last rename and the end: it is whole (below), and nothing is left to stop.
      if (std::filesystem::exists(folder / to)) break;
      ++stops;
    }
    if (!std::filesystem::exists(folder / to)) REQUIRE(run_qcface(convert_call(folder, to, pixels)).ok());
    REQUIRE(stops > 0);
    REQUIRE(same_result(folder, whole, to));
    REQUIRE_FALSE(std::filesystem::exists(folder / (to + ".part")));
  }
}

TEST_CASE("another call does not go on with a stopped one's part", "[resume]") {
  const TemporaryFolder folder;
  write_tree(folder / "from", many_pictures(100));
  ProcessOptions full;
  full.file_size_limit = 30000;
  REQUIRE_FALSE(run_qcface(convert_call(folder, "x.qpack"), full).ok());
  const ProcessResult other = run_qcface(convert_call(folder, "x.qpack", true));
  INFO(other.output);
  REQUIRE(other.status == 1);
  REQUIRE(other.says("belongs to a call that was not the same (pixels was 0, is 64)"));
  REQUIRE(other.says("to start over, remove " + (folder / "x.qpack.journal").string() + " and " +
                     (folder / "x.qpack.part").string()));
  write_bytes(folder / "from" / "p00" / "9999.png", picture_file(1, ".png"));
  const ProcessResult more = run_qcface(convert_call(folder, "x.qpack"));
  REQUIRE(more.says("pictures was 100, is 101"));
  std::filesystem::remove(folder / "from" / "p00" / "9999.png");
  // The part is gone or shorter than the journal says.
  std::filesystem::resize_file(folder / "x.qpack.part", 100);
  const ProcessResult shorter = run_qcface(convert_call(folder, "x.qpack"));
  INFO(shorter.output);
  const bool knew_none = shorter.ok();  // the stopped call had not come to its first block
  REQUIRE((knew_none || shorter.says("remove both to start over")));
}

}  // namespace
}  // namespace qcface::test
