#include "harness/data/sets/image_folder.h"

#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include <fstream>
#include <string>
#include <vector>

#include "core/error.h"
#include "harness/data/lists/picture_list.h"
#include "tests/harness/data/picture_support.h"
#include "tests/support/catch.h"

using namespace qcface;
using namespace qcface::data;
namespace fs = std::filesystem;
using qcface::test::write_text;

namespace {

bool any_contains(const std::vector<std::string>& texts, const std::string& part) {
  for (const std::string& text : texts) {
    if (text.find(part) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("vector: order and labels over two roots") {
  const test::TemporaryFolder folder;
  std::ifstream file(test::vectors("folder_labels.json"));
  const nlohmann::json vector = nlohmann::json::parse(file);
  std::vector<fs::path> roots;
  for (const auto& root : vector.at("roots")) {
    roots.push_back(folder.path() / ("root" + std::to_string(roots.size())));
    for (const auto& identity : root) {
      for (const auto& name : identity.at(1))
        write_text(roots.back() / identity.at(0).get<std::string>() / name.get<std::string>(), "x");
    }
  }
  REQUIRE(roots.size() == 2);
  const std::string places = roots[0].string() + "," + roots[1].string();
  const auto opened = open_pictures(places);
  const PictureSource& set = *opened;
  const auto& expected = vector.at("expected");
  REQUIRE(set.size() == static_cast<std::int64_t>(expected.size()));
  REQUIRE(set.num_classes() == vector.at("num_classes").get<std::int64_t>());
  for (std::int64_t i = 0; i < set.size(); ++i) {
    INFO(set.name(i));
    REQUIRE(set.name_in_set(i) == expected[static_cast<std::size_t>(i)].at(0).get<std::string>());
    REQUIRE(set.label(i) == expected[static_cast<std::size_t>(i)].at(1).get<std::int64_t>());
    REQUIRE(fs::exists(set.name(i)));
  }
  REQUIRE(set.class_names().size() == 7);
  REQUIRE(set.parts().size() == 2);
  REQUIRE(open_pictures(places, true)->num_classes() ==
          vector.at("expected_merge_by_name_num_classes").get<std::int64_t>());
}

TEST_CASE("stray entries are ignored with one warning, empty folders use no label") {
  const test::TemporaryFolder folder;
  const fs::path root = folder.path() / "set";
  write_text(root / ".DS_Store", "x");
  write_text(root / "notes.txt", "x");
  write_text(root / ".hidden" / "1.jpg", "x");
  write_text(root / "a" / "1.JPG", "x");
  write_text(root / "a" / "2.txt", "x");
  write_text(root / "a" / ".3.jpg", "x");
  write_text(root / "a" / "sub" / "4.jpg", "x");
  fs::create_directories(root / "b");
  write_text(root / "b0" / "readme", "x");
  write_text(root / "c" / "1.png", "x");
  const ImageFolder set = scan_image_folder(root);
  REQUIRE(set.size() == 2);
  REQUIRE(set.num_classes() == 2);
  REQUIRE(test::in_set(set, 0) == "a/1.JPG");
  REQUIRE(set.label(1) == 1);
  REQUIRE(set.class_names() == ClassNames{"a", "c"});
  REQUIRE(set.warnings().size() == 2);
  REQUIRE(any_contains(set.warnings(), "left out: unknown suffix 2 (for example "));
  REQUIRE(any_contains(set.warnings(), "dot file 3 (for example "));
  REQUIRE(any_contains(set.warnings(), "unexpected place 2 (for example "));
  REQUIRE(any_contains(set.warnings(), ".DS_Store"));
  REQUIRE(any_contains(set.warnings(), "2 identity folders hold no pictures"));
}

TEST_CASE("merge by name gives one label to a name in several roots") {
  const test::TemporaryFolder folder;
  for (const char* file : {"r1/x/1.jpg", "r1/y/1.jpg", "r2/a/1.jpg", "r2/x/2.jpg"})
    write_text(folder.path() / file, "x");
  const auto opened = open_pictures((folder / "r1").string() + "," + (folder / "r2").string(), true);
  const PictureSource& set = *opened;
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < set.size(); ++i) labels.push_back(set.label(i));
  REQUIRE(labels == std::vector<std::int64_t>{0, 1, 2, 0});
  REQUIRE(set.class_names() == ClassNames{"x", "y", "a"});
}

TEST_CASE("missing folder, file as folder, empty folder, one identity") {
  const test::TemporaryFolder folder;
  const auto scan = [](const fs::path& place) { return open_pictures(place.string()); };
  REQUIRE_THROWS_WITH(scan(folder.path() / "absent"),
                      test::contains("absent") && test::contains("does not exist"));
  write_text(folder.path() / "file", "x");
  REQUIRE_THROWS_WITH(scan(folder.path() / "file"), test::contains("is not a folder"));
  fs::create_directories(folder.path() / "empty" / "id");
  REQUIRE_THROWS_WITH(scan(folder.path() / "empty"),
                      test::contains("empty") && test::contains("no pictures"));
  write_text(folder.path() / "one" / "only" / "1.jpg", "x");
  const std::string one = (folder / "one").string();
  const auto set = scan(one);
  REQUIRE(set->num_classes() == 1);
  REQUIRE(any_contains(set->warnings(), "only one identity (only)"));
  REQUIRE(any_contains(scan(one + "," + one)->warnings(), "more than once"));
}

TEST_CASE("lists of roots and of pictures") {
  REQUIRE(split_places("a,b/c") == std::vector<fs::path>{"a", "b/c"});
  REQUIRE(split_places("a") == std::vector<fs::path>{"a"});
  for (const char* bad : {"", ",a", "a,", "a,,b"}) REQUIRE_THROWS_AS(split_places(bad), Error);
  const test::TemporaryFolder folder;
  for (const char* file : {"b.jpg", "a/2.png", "a/10.png", "a/deep/x.bmp", ".git/z.jpg", "t.txt"})
    write_text(folder.path() / file, "x");
  const std::vector<std::string> found = list_pictures(folder.path()).files;
  REQUIRE(found.size() == 4);
  REQUIRE(found[0] == (folder.path() / "a/10.png").string());
  REQUIRE(found[3] == (folder.path() / "b.jpg").string());
  REQUIRE_THROWS_AS(list_pictures(folder.path() / "none"), Error);
  const ImageFolder set = ImageFolder::from_files(found);
  REQUIRE(set.size() == 4);
  REQUIRE(set.num_classes() == 1);
  REQUIRE(set.name(1) == found[1]);
  REQUIRE(set.stored_bytes(1) == 1);
}

TEST_CASE("what is no regular file is left out and named, in both kinds of folders") {
  const test::TemporaryFolder folder;
  const fs::path root = folder / "set";
  for (const char* file : {"a/1.jpg", "b/1.jpg", "b/2.jfif"}) write_text(root / file, "x");
  REQUIRE(::mkfifo((root / "a" / "pipe.jpg").c_str(), 0600) == 0);
  fs::create_symlink("missing.jpg", root / "a" / "broken.jpg");
  fs::create_symlink("circle.jpg", root / "b" / "circle.jpg");
  fs::create_symlink("../b/1.jpg", root / "a" / "good_link.jpg");
  fs::create_directory_symlink("y", root / "x");
  fs::create_directory_symlink("x", root / "y");
  const ImageFolder set = scan_image_folder(root);
  REQUIRE(set.size() == 4);
  REQUIRE(any_contains(set.warnings(),
                       "left out: no regular file 1 (for example " + (root / "a/pipe.jpg").string()));
  REQUIRE(any_contains(set.warnings(), "link that leads nowhere or to itself 4 (for example "));
  const PictureList list = list_pictures(root);
  REQUIRE(list.files.size() == 4);
  REQUIRE(list.left_out.count() == 5);
  REQUIRE_THAT(list.left_out.describe(), test::contains("pipe.jpg"));
}

TEST_CASE("links to folders are followed, those that lead back are left out") {
  const test::TemporaryFolder folder;
  const fs::path root = folder / "set";
  write_text(root / "a" / "deep" / "1.jpg", "x");
  write_text(folder / "elsewhere/2.jpg", "x");
  fs::create_directory_symlink("..", root / "a" / "up");
  fs::create_directory_symlink(root, root / "a" / "deep" / "top");
  fs::create_directory_symlink(folder / "elsewhere", root / "linked");
  fs::create_directory_symlink(folder / "elsewhere", root / "linked_too");
  const PictureList list = list_pictures(root);
  REQUIRE(list.files == std::vector<std::string>{(root / "a/deep/1.jpg").string(),
                                                 (root / "linked/2.jpg").string(),
                                                 (root / "linked_too/2.jpg").string()});
  REQUIRE(list.left_out.count() == 2);
  REQUIRE_THAT(list.left_out.describe(), test::contains("link to a folder that it lies in 2 (for example "));
}

TEST_CASE("files of unknown suffixes are counted with an example, also where nothing else is there") {
  const test::TemporaryFolder folder;
  for (const char* file : {"1.jpg", "a.heic", "b.gif", "c.jfif", "d.JIF", "e.avif", "none"})
    write_text(folder / file, "x");
  const PictureList list = list_pictures(folder.path());
  REQUIRE(list.files.size() == 3);
  REQUIRE_THAT(list.left_out.describe(), test::contains("unknown suffix 4 (for example "));
  write_text(folder / "phone/x.heic", "x");
  REQUIRE_THROWS_WITH(list_pictures(folder / "phone"),
                      test::contains("no pictures found") && test::contains("x.heic"));
  REQUIRE_THROWS_WITH(scan_image_folder(folder / "phone"),
                      test::contains("no pictures found") && test::contains("x.heic"));
}
