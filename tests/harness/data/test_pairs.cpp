#include "harness/data/lists/pairs.h"

#include <sys/stat.h>

#include <string>
#include <vector>

#include "core/error.h"
#include "harness/data/bench.h"
#include "harness/data/sets/image_folder.h"
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
  // A row that would do in a list of CPLFW's form.
  refuse("1.jpg,2.jpg,1\n1.jpg,2.jpg,1\n2.jpg,1\n",
         "line 3: expected 3 fields (picture, picture, 1 or 0), found 2");
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

namespace {

// Pictures by file name, pairs as "a b same" lines.
std::string read_as_text(const std::string& text, const fs::path& root) {
  write_text(root / "list.txt", text);
  const PairList list = read_pairs(root / "list.txt", root);
  std::string out;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto name = [&](int image) {
      return fs::path(list.images[static_cast<std::size_t>(image)]).lexically_relative(root).string();
    };
    out +=
        name(list.pairs[i].first) + " " + name(list.pairs[i].second) + (list.same[i] != 0 ? " 1\n" : " 0\n");
  }
  return out;
}

}  // namespace

TEST_CASE("pair lists as people have them") {
  const test::TemporaryFolder folder;
  const fs::path& root = folder.path();
  for (const char* file :
       {"0001.jpg", "2.jpg", "imgs/0003.png", "imgs/4.JPG", "s1/a.jpg", "s1/b c.jpg", "d, e.jpg"})
    write_text(root / file, "x");
  const auto reads = [&](const std::string& text) { return read_as_text(text, root); };
  // Zero-padded numbers: as written, else as a number.
  CHECK(reads("0001 0002 1\n0003 0004 0\n2.0 0003 0\n") ==
        "0001.jpg 2.jpg 1\nimgs/0003.png imgs/4.JPG 0\n2.jpg imgs/0003.png 0\n");
  const std::string two = "0001.jpg 2.jpg 1\n2.jpg imgs/4.JPG 0\n";
  // Byte order mark, CR LF, CR, comments, blank lines.
  CHECK(reads("\xEF\xBB\xBF# names\r\n\r\n  0001 2 1\r\n2 4 0") == two);
  CHECK(reads("0001 2 1\r2 4 0\r") == two);
  for (const char* text :
       {"0001,2,True\n2,4,False", "0001\t2\ttrue\n2\t4\tfalse", "0001;2;same\n2;4;different",
        "a,b,label\n0001,2,1\n2,4,0", "a,b,same\n0001,2,1\n2,4,0", "True 0001 2\nFalse 2 4",
        "1,0001.jpg,2.jpg\n0,2.jpg,4", "issame,a,b\n1,0001.jpg,2.jpg\n0,2.jpg,4.JPG",
        "\"0001\",\"2\",\"1\"\n\"2\",\"4\",\"0\"\n"}) {
    INFO(text);
    CHECK(reads(text) == two);
  }
  // Back slashes, quotes, names with blanks and commas.
  const std::string odd = "s1/b c.jpg s1/a.jpg 1\nd, e.jpg s1/a.jpg 0\n";
  CHECK(reads("s1\\b c.jpg\ts1\\a.jpg\t1\nd, e.jpg\ts1/a.jpg\t0") == odd);
  CHECK(reads("s1/b c.jpg,s1/a,1\n\"d, e.jpg\",s1/a.jpg,0") == odd);
  CHECK(reads("\"s1/b c.jpg\" s1/a.jpg 1\n\"d, e.jpg\" s1/a.jpg 0") == odd);
}

TEST_CASE("LFW's own lists") {
  const test::TemporaryFolder folder;
  const fs::path& root = folder.path();
  for (const char* file : {"Ann_Lee/Ann_Lee_0001.jpg", "Ann_Lee/Ann_Lee_0003.jpg", "Bo/Bo_0012.jpg"})
    write_text(root / file, "x");
  const std::string rows = "Ann_Lee\t1\t3\nAnn_Lee\t3\tBo\t12\n";
  const std::string read =
      "Ann_Lee/Ann_Lee_0001.jpg Ann_Lee/Ann_Lee_0003.jpg 1\nAnn_Lee/Ann_Lee_0003.jpg Bo/Bo_0012.jpg 0\n";
  CHECK(read_as_text("1\t1\n" + rows, root) == read);
  CHECK(read_as_text("1\n" + rows, root) == read);
  CHECK(read_as_text(rows, root) == read);
  CHECK_THROWS_WITH(read_as_text("10\t300\n" + rows, root), test::contains("line 1 announces 6000 pairs"));
  CHECK_THROWS_WITH(read_as_text("1 1\n" + rows + "Bo\t12\tAnn_Lee.jpg\n", root), test::contains("line 4"));
  CHECK_THROWS_WITH(read_as_text("1 1\nAnn_Lee 1 2\nAnn_Lee 3 Bo 12\n", root),
                    test::contains("line 2: there is no picture Ann_Lee/Ann_Lee_0002.jpg"));
}

TEST_CASE("pair lists whose meaning is not certain are refused with their line") {
  const test::TemporaryFolder folder;
  const fs::path& root = folder.path();
  for (const char* file : {"1.jpg", "2.jpg", "my face.jpg"}) write_text(root / file, "x");
  REQUIRE(::mkfifo((root / "3.jpg").c_str(), 0600) == 0);
  const auto refuse = [&](const std::string& text, const std::string& what) {
    INFO(text);
    CHECK_THROWS_WITH(read_as_text(text, root), test::contains("list.txt") && test::contains(what));
  };
  refuse("1 2 1\nmy face.jpg 1 0\n",
         "line 2: expected 3 fields (picture, picture, 1 or 0), found 4; names with blanks");
  refuse("1 2 1\n\"1 2 0\n", "line 2");
  refuse("1 2\n", "line 1: expected 3 fields");
  refuse("1 2 2\n", "neither 1 (same) nor 0");  // a label in front, or a wrong one behind?
  refuse("1 1.jpg 2.jpg\n1.jpg 2.jpg 0\n", "line 1");
  refuse("1 2 1\n1 3 0\n", "line 2: there is no picture 3.jpg (or .png, ...) (" + (root / "3.jpg").string() +
                               " is a named pipe)");
  refuse("1 7 1\n1 8 0\n1 9 0\n1 10 0\n1 11 0\n1 12 0\n",
         "line 4: there is no picture 10.jpg (or .png, ...); 6 pictures are missing in all");
  refuse(
      "\xFF\xFE"
      "1 2 1",
      "UTF-16");
  refuse(std::string("1 2 1\n\0\n", 8), "no text file");
  REQUIRE(::mkfifo((root / "pipe.list").c_str(), 0600) == 0);
  CHECK_THROWS_WITH(read_pairs(root / "pipe.list", root), test::contains("is a named pipe"));
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
  const ImageFolder set = scan_image_folder(folder.path());
  const DataBenchResult result = run_data_bench(set, options);
  REQUIRE(result.stage_pictures > 0);
  REQUIRE((result.decode_us > 0 && result.augment_us > 0 && result.normalise_us > 0));
  REQUIRE(result.pictures_per_second > 0);
  REQUIRE(result.loader_pictures > 0);
  REQUIRE_THAT(format_data_bench(result, options), test::contains("pictures/s per core"));
}
