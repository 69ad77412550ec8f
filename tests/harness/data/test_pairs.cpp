#include "harness/data/pairs.h"

#include <string>
#include <vector>

#include "core/error.h"
#include "harness/data/bench.h"
#include "tests/harness/data/picture_support.h"
#include "tests/support/catch.h"

using namespace qcface;
using namespace qcface::data;
namespace fs = std::filesystem;
using qcface::test::write_text;

TEST_CASE("pair lists of numbers resolve to pictures, in file order") {
  const test::TemporaryFolder folder;
  for (const char* file : {"imgs/1.jpg", "imgs/2.jpg", "imgs/12.png", "7.jpg"})
    write_text(folder.path() / file, "x");
  write_text(folder.path() / "pairs.list", "2 1 1\n12.0 2 0\r\n\n# a comment\n7\t1,0");
  const PairList list = read_pairs(folder.path() / "pairs.list", folder.path());
  REQUIRE(list.size() == 3);
  REQUIRE(list.images == std::vector<std::string>{
                             (folder.path() / "imgs/2.jpg").string(), (folder.path() / "imgs/1.jpg").string(),
                             (folder.path() / "imgs/12.png").string(), (folder.path() / "7.jpg").string()});
  REQUIRE(list.pairs == std::vector<std::pair<int, int>>{{0, 1}, {2, 0}, {3, 1}});
  REQUIRE(list.same == std::vector<char>{1, 0, 0});
}

TEST_CASE("pair lists of paths") {
  const test::TemporaryFolder folder;
  for (const char* file : {"s1/1.pgm", "s2/1.pgm"}) write_text(folder.path() / file, "x");
  write_text(folder.path() / "p.csv",
             "s1/1.pgm, s2/1.pgm, 0\ns1/1.pgm " + (folder.path() / "s1/1.pgm").string() + " 1\n");
  const PairList list = read_pairs(folder.path() / "p.csv", folder.path());
  REQUIRE(list.size() == 2);
  REQUIRE(list.images[1] == (folder.path() / "s2/1.pgm").string());
  REQUIRE(list.same == std::vector<char>{0, 1});
}

TEST_CASE("malformed pair lists are refused with file and line") {
  const test::TemporaryFolder folder;
  write_text(folder.path() / "imgs/1.jpg", "x");
  write_text(folder.path() / "imgs/2.jpg", "x");
  const auto refuse = [&](const std::string& text, const char* what) {
    write_text(folder.path() / "bad.list", text);
    INFO(text);
    REQUIRE_THROWS_WITH(read_pairs(folder.path() / "bad.list", folder.path()),
                        test::contains("bad.list") && test::contains(what));
  };
  refuse("1 2 1\n1 2\n", "line 2: expected 3 fields");
  refuse("1 2 1 0\n", "found 4");
  refuse("1 2 2\n", "neither 1 (same) nor 0");
  refuse("1 2 yes\n", "'yes'");
  refuse("1 3 1\n", "there is no picture 3.jpg");
  refuse("1 x/y.jpg 1\n", "x/y.jpg");
  refuse("1 1.5 1\n", "there is no picture");
  refuse("1,,1\n", "line 1");
  refuse("\n# nothing\n", "no pairs");
  REQUIRE_THROWS_AS(read_pairs(folder.path() / "none.list", folder.path()), Error);
  REQUIRE_THROWS_WITH(read_pairs(folder.path() / "bad.list", folder.path() / "absent"),
                      test::contains("absent"));
}

TEST_CASE("data bench measures stages and loader") {
  const test::TemporaryFolder folder;
  for (int i = 0; i < 12; ++i) {
    fs::create_directories(folder.path() / "a");
    write_image((folder.path() / "a" / (std::to_string(i) + ".jpg")).string(),
                test::make_picture(static_cast<std::uint32_t>(i), 112, 112));
  }
  DataBenchOptions options;
  options.loader.batch_size = 5;
  options.loader.augment = AugmentMode::kPublished;
  options.stage_seconds = options.loader_seconds = 0.05;
  const ImageFolder set = scan_image_folder(std::vector<fs::path>{folder.path()});
  const DataBenchResult result = run_data_bench(set, options);
  REQUIRE(result.stage_pictures > 0);
  REQUIRE((result.decode_us > 0 && result.augment_us > 0 && result.normalise_us > 0));
  REQUIRE(result.pictures_per_second > 0);
  REQUIRE(result.loader_pictures > 0);
  REQUIRE_THAT(format_data_bench(result, options), test::contains("pictures/s per core"));
}
