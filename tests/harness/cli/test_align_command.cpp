// `qcface data align` as a shell runs it: stopped, killed, on a full disk.
#include <filesystem>
#include <string>

#include "core/atomic_file.h"
#include "harness/data/image.h"
#include "tests/harness/cli/qcface_program.h"
#include "tests/support/catch.h"
#include "tests/support/process.h"
#include "tests/support/temporary_folder.h"

using namespace qcface;
namespace fs = std::filesystem;

namespace {

// So many pictures that they take about a second on one thread.
constexpr int kPictures = 400;

struct Set {
  Set() {
    data::Image picture;
    picture.reshape(256, 256);
    for (std::size_t i = 0; i < picture.bytes(); ++i)
      picture.data()[i] = static_cast<std::uint8_t>(i * i / 97 + i);
    fs::create_directories(folder / "data");
    data::write_image((folder / "data/0.jpg").string(), picture);
    std::string list;
    for (int i = 0; i < kPictures; ++i) {
      const std::string name = std::to_string(i) + ".jpg";
      if (i > 0) fs::copy_file(folder / "data/0.jpg", folder / ("data/" + name));
      list += name + " 90 120 160 118 125 160 98 200 155 198\n";
    }
    write_file_atomically(folder / "points.txt", list);
  }
  test::ProcessResult align(const test::ProcessOptions& options = {}) const {
    return test::run_process(
        {QCFACE_EXECUTABLE, "data", "align", "--data", (folder / "data").string(), "--landmarks",
         (folder / "points.txt").string(), "--out", (folder / "out").string(), "--threads", "1"},
        options);
  }
  int crops() const {
    int count = 0;
    for (const auto& entry : fs::directory_iterator(folder / "out"))
      count += entry.path().extension() == ".jpg" ? 1 : 0;
    return count;
  }
  test::TemporaryFolder folder;
};

}  // namespace

TEST_CASE("qcface data align goes on after a kill, with the same crops and none that is cut") {
  const Set set;
  test::ProcessOptions kill;
  for (const double seconds : {0.15, 0.25}) {
    kill.signal_after_s = seconds;
    const auto killed = set.align(kill);
    REQUIRE((killed.status == 128 + SIGKILL || killed.ok()));
    // The list comes last: where it is, every crop is.
    if (fs::exists(set.folder / "out/align.json")) REQUIRE(set.crops() == kPictures);
  }
  const auto done = set.align();
  INFO(done.output);
  REQUIRE(done.ok());
  REQUIRE(set.crops() == kPictures);
  REQUIRE(done.says(std::to_string(kPictures) + " crops of 112 x 112"));
  const std::string first = read_file(set.folder / "out/0.jpg");
  for (int i = 1; i < kPictures; ++i)
    REQUIRE(read_file(set.folder / ("out/" + std::to_string(i) + ".jpg")) == first);
  const auto again = set.align();
  REQUIRE(again.says("(0 made, " + std::to_string(kPictures) + " were there)"));
}

TEST_CASE("qcface data align says that the disk is full, keeps what it made and goes on from there") {
  const Set set;
  test::ProcessOptions full;
  full.file_size_limit = 1000;  // a crop is larger
  const auto none = set.align(full);
  INFO(none.output);
  REQUIRE(none.status == 1);
  REQUIRE(none.says("write failed: File too large"));
  REQUIRE(set.crops() == 0);
  full.file_size_limit = 20'000;  // for the crops, but not for all of the journal
  const auto some = set.align(full);
  REQUIRE(some.status == 1);
  REQUIRE(some.says("align.journal: write failed"));
  const int made = set.crops();
  REQUIRE(made > 10);
  REQUIRE(made < kPictures);
  const auto done = set.align();
  INFO(done.output);
  REQUIRE(done.ok());
  REQUIRE(set.crops() == kPictures);
  REQUIRE(done.output.find("(0 made") == std::string::npos);
  REQUIRE(done.output.find(" 0 were there") == std::string::npos);
}

TEST_CASE("qcface data align goes on after Ctrl-C") {
  const Set set;
  test::ProcessOptions stop;
  stop.signal = SIGINT;
  stop.signal_after_s = 0.1;
  const auto stopped = set.align(stop);
  REQUIRE((stopped.status == 128 + SIGINT || stopped.ok()));
  const auto done = set.align();
  REQUIRE(done.ok());
  REQUIRE(set.crops() == kPictures);
}

TEST_CASE("qcface data align names the option that is missing") {
  const auto result = test::run_process({QCFACE_EXECUTABLE, "data", "align", "--data", "x", "--out", "y"});
  REQUIRE(result.status == 2);
  REQUIRE(result.says("--landmarks is missing"));
}
