// `qcface data align` below its options: what it writes, says and takes up again.
#include "harness/data/align/align.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "harness/data/align/similarity.h"
#include "harness/data/align/warp.h"
#include "harness/data/resize.h"
#include "tests/harness/data/picture_support.h"
#include "tests/support/catch.h"

using namespace qcface;
namespace fs = std::filesystem;
using data::AlignNote;

namespace {

// A turn and a scale of the template about the middle of a picture of 120 x 90.
data::Similarity place_of(std::uint32_t seed) {
  const double angle = 0.2 * seed, scale = 0.4 + 0.05 * seed, a = scale * std::cos(angle),
               b = scale * std::sin(angle);
  return {a, b, 60 - (a * 56 - b * 72), 45 - (b * 56 + a * 72)};
}

// Pictures below `data` and their list.
class Set {
 public:
  Set() {
    options.data = folder_ / "data";
    options.landmarks = folder_ / "points.txt";
    options.out = folder_ / "out";
    options.png = true;
    options.threads = 2;
  }
  fs::path path(const std::string& name) const { return folder_ / name; }

  /// A picture in which the template stands turned, scaled and shifted.
  void add(const std::string& name, std::uint32_t seed, int height = 90, int width = 120) {
    fs::create_directories((options.data / name).parent_path());
    data::write_image((options.data / name).string(), test::make_picture(seed, height, width));
    const data::Similarity there = place_of(seed);
    std::string row = name;
    for (const data::Point& p : data::face_template(112, false))
      row += fmt::format("\t{}\t{}", there(p).x, there(p).y);
    rows.push_back(row);
  }
  data::AlignResult align() {
    std::string text;
    for (const std::string& row : rows) text += row + "\n";
    if (text != test::read_text(options.landmarks)) test::write_text(options.landmarks, text);
    return data::align_pictures(options);
  }
  std::string refusal() {
    try {
      align();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  data::Image crop(const std::string& name) const {
    data::ImageDecoder decoder;
    data::Image image;
    const auto result = decoder.decode_file((options.out / name).string(), image);
    INFO(name << ": " << result.reason);
    REQUIRE(result.ok());
    return image;
  }

  data::AlignOptions options;
  std::vector<std::string> rows;

 private:
  test::TemporaryFolder folder_;
};

std::string ten(const std::string& x, const std::string& y) {
  std::string row;
  for (int i = 0; i < 5; ++i) row += "\t" + x + "\t" + y;
  return row;
}

}  // namespace

TEST_CASE("align writes the warped pictures, keeps folders and names, and says what it left out") {
  Set set;
  for (std::uint32_t i = 0; i < 6; ++i) set.add(fmt::format("p{}/{}.png", i % 2, i), i);
  set.add("p0/deep/b.bmp", 7);
  set.rows.push_back("p1/gone.jpg" + ten("1", "2"));
  data::write_image((set.options.data / "p1/flat.jpg").string(), test::make_picture(9, 60, 200));
  set.rows.push_back("p1/flat" + ten("33.3", "0.1"));  // without suffix
  data::write_image((set.options.data / "p1/away.jpg").string(), test::make_picture(9, 40, 40));
  set.rows.push_back("p1/away.jpg\t100\t20\t130\t20\t115\t30\t105\t40\t125\t40");
  test::write_text(set.options.data / "p1/broken.png", "\x89PNG\r\n\x1a\n and no more");
  set.rows.push_back("p1/broken.png\t1\t2\t3\t4\t5\t6\t7\t8\t9\t10");
  data::write_image((set.options.data / "p1/alone.jpg").string(), test::make_picture(9, 40, 40));
  test::write_text(set.options.data / "notes.doc", "none");
  const data::AlignResult result = set.align();
  REQUIRE(result.rows == 11);
  REQUIRE(result.made == 9);
  REQUIRE(result.kept == 0);
  REQUIRE(result.failed == 1);
  REQUIRE(result.notes.size() == 5);
  REQUIRE(result.warnings.size() == 1);
  REQUIRE_THAT(result.warnings[0], test::contains("notes.doc"));
  const std::string csv = test::read_text(set.options.out / "align.csv");
  REQUIRE(csv ==
          "picture,what,detail\n"
          "p1/gone.jpg,no such picture,line 8 of the list\n"
          "p1/broken.png,unreadable,PNG: the data ends early\n"
          "p1/alone.jpg,no landmarks,\n"
          "p1/flat.jpg,centre crop,line 9: the points are one\n"
          "p1/away.jpg,points outside,\"line 10: their middle is (115.0, 30.0) in 40 x 40 pixels\"\n");
  // Each crop is the warp of its picture, and the template lands where it belongs.
  data::Image expected;
  for (const std::uint32_t i : {0u, 3u, 5u}) {
    const data::Similarity there = place_of(i);
    const double square = there.a * there.a + there.b * there.b, a = there.a / square, b = -there.b / square;
    const data::Similarity map{a, b, -(a * there.tx - b * there.ty),
                               -(b * there.tx + a * there.ty)};  // the inverse
    data::warp(test::make_picture(i, 90, 120), map, 112, 112, expected);
    const auto d = test::difference(set.crop(fmt::format("p{}/{}.png", i % 2, i)), expected);
    REQUIRE(d.largest <= 4);  // rounding of the fitted map may choose the next 32nd
    REQUIRE(d.count < expected.bytes() / 100);
  }
  REQUIRE(fs::exists(set.options.out / "p0/deep/b.png"));
  data::Resizer resizer;
  data::Image resized;
  const data::Image flat = set.crop("p1/flat.png");
  data::Image picture;
  data::ImageDecoder().decode_file((set.options.data / "p1/flat.jpg").string(), picture);
  const data::Image& ready = resizer.resize_shorter_side(picture, 112, resized);
  for (const int y : {0, 60, 111})
    REQUIRE(std::equal(flat.row(y), flat.row(y) + 3 * 112, ready.row(y) + 3 * ((ready.width() - 112) / 2)));

  const auto json = parse_json(test::read_text(set.options.out / "align.json"));
  REQUIRE(json.at("format") == "qcface-align-1");
  REQUIRE(json.at("width") == 112);
  REQUIRE(json.at("points").at(0).at(0) == 38.29460144042969);
  REQUIRE(json.at("rows") == 11);
  REQUIRE(json.at("crops") == 9);
  REQUIRE(json.at("notes").at("centre crop") == 1);
  // A later scan takes the folder for a set, without a word on the files beside it.
  const data::ImageFolder scanned = data::scan_image_folder(set.options.out);
  REQUIRE(scanned.size() == 8);
  REQUIRE(scanned.warnings().size() == 1);  // p0/deep
  REQUIRE_THAT(scanned.warnings()[0], !test::contains("align."));
}

TEST_CASE("align makes nothing again that is whole, and anew what is not or has changed") {
  Set set;
  for (std::uint32_t i = 0; i < 5; ++i) set.add(fmt::format("{}.png", i), i);
  set.rows.push_back("gone.png" + ten("1", "2"));
  REQUIRE(set.align().made == 5);
  const std::string csv = test::read_text(set.options.out / "align.csv");
  const auto again = [&] {
    const data::AlignResult result = set.align();
    REQUIRE(result.made + result.kept == 5);
    REQUIRE(test::read_text(set.options.out / "align.csv") == csv);
    return result.made;
  };
  REQUIRE(again() == 0);
  const std::string whole = test::read_text(set.options.out / "1.png");
  fs::resize_file(set.options.out / "1.png", whole.size() / 2);  // a power cut
  REQUIRE(again() == 1);
  REQUIRE(test::read_text(set.options.out / "1.png") == whole);
  std::string other = whole;
  other[other.size() / 2] ^= 1;
  test::write_text(set.options.out / "1.png", other);
  REQUIRE(again() == 1);
  REQUIRE(test::read_text(set.options.out / "1.png") == whole);
  fs::remove(set.options.out / "2.png");
  REQUIRE(again() == 1);
  data::write_image((set.options.data / "3.png").string(), test::make_picture(30, 90, 120));
  REQUIRE(again() == 1);
  set.rows[4] = "4.png\t30\t40\t60\t40\t45\t55\t33\t70\t58\t70";
  REQUIRE(again() == 1);
  REQUIRE(again() == 0);
  // A kill in the middle of a line of the journal, and one before its first line was whole.
  const fs::path journal = set.options.out / "align.journal";
  const std::string text = test::read_text(journal);
  test::write_text(journal, text.substr(0, text.size() - 9));
  REQUIRE(again() == 1);
  test::write_text(journal, text.substr(0, 5));
  REQUIRE(again() == 5);
}

TEST_CASE("align refuses what would mix, overwrite or escape") {
  Set set;
  set.add("a/1.png", 1);
  set.add("a/2.png", 2);
  SECTION("other options") {
    set.align();
    set.options.height = 224;
    REQUIRE_THAT(set.refusal(),
                 test::contains("aligned with other options") && test::contains("\"height\":112"));
  }
  SECTION("a folder of other things") {
    test::write_text(set.options.out / "mine.txt", "x");
    REQUIRE_THAT(set.refusal(), test::contains("is not empty and holds no aligned pictures"));
  }
  SECTION("a call that runs") {
    set.align();
    const int fd = ::open((set.options.out / "align.journal").c_str(), O_RDONLY);
    REQUIRE(::flock(fd, LOCK_EX) == 0);
    REQUIRE_THAT(set.refusal(), test::contains("another call is aligning"));
    ::close(fd);
  }
  SECTION("the folder itself, and folders inside each other") {
    for (const fs::path& out : {set.options.data, set.options.data / "a", set.options.data / "x/y",
                                set.options.data / "a/..", set.options.data.parent_path()}) {
      set.options.out = out;
      REQUIRE_THAT(set.refusal(), test::contains("neither inside the other"));
    }
  }
  SECTION("two rows of one picture") {
    set.rows.push_back("a/1" + ten("3", "4"));
    REQUIRE_THAT(set.refusal(), test::contains("line 3: a/1 is the picture of line 1 already"));
  }
  SECTION("two pictures of one crop") {
    set.add("a/1.bmp", 3);
    REQUIRE_THAT(set.refusal(), test::contains("line 3") && test::contains("would have one name"));
  }
  SECTION("a name that leads out of the folder") {
    set.options.out = set.path("out");
    data::write_image(set.path("outside.png").string(), test::make_picture(3, 20, 20));
    set.rows.push_back("a/../../outside.png" + ten("3", "4"));
    REQUIRE_THAT(set.refusal(), test::contains("line 3") && test::contains("lies outside"));
  }
  SECTION("a list of another set") {
    set.rows = {"b/1.png" + ten("3", "4"), "b/2.png" + ten("3", "4")};
    REQUIRE_THAT(set.refusal(), test::contains("none of the 2 names leads to a picture") &&
                                    test::contains("b/1.png (line 1)"));
  }
  SECTION("narrow crops of a size that does not divide") {
    set.options.narrow = true;
    set.options.height = 100;
    REQUIRE_THAT(set.refusal(), test::contains("multiple of 7"));
  }
}

TEST_CASE("narrow crops are the middle of square ones, JPEG is written with its quality") {
  Set set;
  set.add("1.png", 1);
  set.rows.push_back("2.png" + ten("1", "1"));
  data::write_image((set.options.data / "2.png").string(), test::make_picture(2, 100, 150));
  set.align();
  const data::Image square = set.crop("1.png"), centre = set.crop("2.png");
  set.options.narrow = true;
  set.options.out = set.path("narrow");
  set.align();
  for (const auto& [name, wide] :
       {std::pair<std::string, const data::Image&>{"1.png", square}, {"2.png", centre}}) {
    const data::Image narrow = set.crop(name);
    REQUIRE(narrow.width() == 96);
    REQUIRE(narrow.height() == 112);
    int largest = 0;
    for (int y = 0; y < 112; ++y) {
      for (int i = 0; i < 3 * 96; ++i)
        largest = std::max(largest, std::abs(narrow.row(y)[i] - wide.row(y)[3 * 8 + i]));
    }
    REQUIRE(largest <= 4);
  }
  set.options.narrow = set.options.png = false;
  std::uintmax_t bytes[2] = {0, 0};
  for (const int i : {0, 1}) {
    set.options.quality = i == 0 ? 95 : 30;
    set.options.out = set.path(fmt::format("jpeg{}", i));
    set.align();
    REQUIRE(test::difference(set.crop("1.jpg"), square).largest < 80);
    bytes[i] = fs::file_size(set.options.out / "1.jpg");
  }
  REQUIRE(bytes[1] < bytes[0] / 2);
}
