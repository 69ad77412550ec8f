// The metadata of IJB-B and IJB-C: read as it stands, and refused where it is damaged.
#include "harness/data/lists/ijb_lists.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "core/atomic_file.h"
#include "core/error.h"
#include "harness/data/lists/ijb_pairs.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_data.h"

using namespace qcface;
using namespace qcface::data;
namespace fs = std::filesystem;

namespace {

// A copy of the toy set of the vectors, whose files can be spoilt.
struct Toy {
  Toy() { fs::copy(test::vectors("ijb_toy/IJBC"), root, fs::copy_options::recursive); }
  fs::path file(const char* name) const { return root / "meta" / (std::string("ijbc_") + name); }
  void replace(const char* name, const std::string& what, const std::string& by) const {
    std::string text = read_file(file(name));
    const std::size_t at = text.find(what);
    REQUIRE(at != std::string::npos);
    std::ofstream(file(name), std::ios::binary) << text.replace(at, what.size(), by);
  }
  void append(const char* name, const std::string& text) const {
    std::ofstream(file(name), std::ios::app | std::ios::binary) << text;
  }
  IjbLists read() const { return read_ijb_lists(find_ijb(root, "")); }
  std::string error() const {
    try {
      (void)read();
    } catch (const Error& problem) {
      return problem.what();
    }
    return {};
  }
  test::TemporaryFolder folder;
  fs::path root = folder / "IJBC";
};

void require_says(const std::string& text, const std::string& part) {
  INFO(text);
  REQUIRE(text.find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("IJB metadata: the toy set of the vectors, from its folder and from the one above") {
  const Toy toy;
  for (const fs::path& place : {toy.root, toy.folder.path()}) {
    const IjbLists lists = read_ijb_lists(find_ijb(place, ""));
    REQUIRE(lists.place.dataset == "IJBC");
    REQUIRE(lists.files.size() == 78);
    REQUIRE(lists.files[2] == "3.jpg");
    REQUIRE(lists.points[0][0].x == 86.951);
    REQUIRE(lists.points[0][4].y == 235.356);
    REQUIRE(lists.detector[1] == 0.731f);
    REQUIRE((lists.template_of[2] == 5 && lists.media_of[2] == 1040));
    REQUIRE(lists.templates.size() == 18);
    REQUIRE(lists.pairs.size() == 72);
    REQUIRE(lists.templates[static_cast<std::size_t>(lists.pairs[0].b)] == 111);
    REQUIRE(lists.gallery[0].size() + lists.gallery[1].size() == 6);
    REQUIRE(lists.probes.size() == 12);
    REQUIRE(lists.probes.subjects[0] == 11);
    REQUIRE(lists.probes.lines[0] == 2);
    REQUIRE(lists.warnings.size() == 1);  // its sizes
    require_says(lists.warnings[0], "78 pictures (469375)");
  }
  const IjbLists part = read_ijb_lists(find_ijb(toy.root, "IJBC"), {.pairs = false, .identification = false});
  REQUIRE(part.pairs.empty());
  REQUIRE(part.probes.size() == 0);
}

TEST_CASE("IJB metadata: line ends, blank lines and a byte order mark of other systems") {
  const Toy toy;
  const IjbLists want = toy.read();
  for (const char* name :
       {"template_pair_label.txt", "face_tid_mid.txt", "name_5pts_score.txt", "1N_probe_mixed.csv"}) {
    std::string text = "\xEF\xBB\xBF";
    for (const char c : read_file(toy.file(name)))
      text += c == '\n' ? std::string("\r\n\r\n") : std::string(1, c);
    std::ofstream(toy.file(name), std::ios::binary) << text;
  }
  const IjbLists got = toy.read();
  REQUIRE(got.files == want.files);
  REQUIRE(got.template_of == want.template_of);
  REQUIRE(got.same == want.same);
  for (std::size_t i = 0; i < want.pairs.size(); ++i)
    REQUIRE((got.pairs[i].a == want.pairs[i].a && got.pairs[i].b == want.pairs[i].b));
  REQUIRE(got.probes.subjects == want.probes.subjects);
}

TEST_CASE("IJB metadata that is damaged stops with file and line") {
  const Toy toy;
  SECTION("the two files name other pictures") {
    toy.replace("face_tid_mid.txt", "2.jpg", "22.jpg");
    require_says(
        toy.error(),
        "ijbc_face_tid_mid.txt: line 2 is of 22.jpg, but line 2 of ijbc_name_5pts_score.txt is of 2.jpg");
  }
  SECTION("one of them is longer") {
    toy.append("face_tid_mid.txt", "79.jpg 111 2100\n");
    require_says(toy.error(), "78 pictures");
    require_says(toy.error(), "from line 79 on");
  }
  SECTION("a row of points is cut") {
    toy.replace("name_5pts_score.txt", " 0.731\n", "\n");
    require_says(toy.error(),
                 "ijbc_name_5pts_score.txt: line 2: expected a picture, x and y of 5 points and a score");
  }
  SECTION("a point is no number") {
    toy.replace("name_5pts_score.txt", "76.915", "nan");
    require_says(toy.error(), "line 2: expected a picture, x and y of 5 points");
  }
  SECTION("a picture lies elsewhere") {
    toy.replace("name_5pts_score.txt", "2.jpg", "../2.jpg");
    require_says(toy.error(), "line 2: ../2.jpg lies outside loose_crop");
  }
  SECTION("a template is no number") {
    toy.replace("face_tid_mid.txt", "3.jpg 5 ", "3.jpg five ");
    require_says(toy.error(),
                 "ijbc_face_tid_mid.txt: line 3: expected a picture, its template and its media");
  }
  SECTION("a pair of an unknown template") {
    toy.replace("template_pair_label.txt", "1 105 0", "1 9105 0");
    require_says(toy.error(), "ijbc_template_pair_label.txt: line 2: template 9105 is unknown");
  }
  SECTION("a pair without label") {
    toy.replace("template_pair_label.txt", "4 110 0\n", "4 110\n");
    require_says(toy.error(), "line 3: expected `template template label` in whole numbers, found '4 110'");
  }
  SECTION("a label of another kind") {
    toy.replace("template_pair_label.txt", "4 110 0\n", "4 110 2\n");
    require_says(toy.error(), "line 3: the label is 2, expected 1 (same) or 0 (different)");
  }
  SECTION("no pair") {
    std::ofstream(toy.file("template_pair_label.txt")) << "\n\n";
    require_says(toy.error(), "no pairs in this list");
  }
  SECTION("a probe of an unknown template") {
    toy.replace("1N_probe_mixed.csv", "102,23", "1029,23");
    require_says(toy.error(),
                 "ijbc_1N_probe_mixed.csv: line 3: template 1029 is in no row of ijbc_face_tid_mid.txt");
  }
  SECTION("a subject is no number") {
    toy.replace("1N_probe_mixed.csv", "102,23", "102,abc");
    require_says(toy.error(), "ijbc_1N_probe_mixed.csv: line 3: expected template,subject");
  }
  SECTION("a template in both galleries") {
    toy.append("1N_gallery_G2.csv", "3,35,img/7.jpg,10,20,30,40\n");
    require_says(toy.error(), "ijbc_1N_gallery_G2.csv: line ");
    require_says(toy.error(), "template 3 is in ijbc_1N_gallery_G1.csv too, line 2");
  }
  SECTION("a template whose subject changes is said, and its first row counts") {
    toy.append("1N_probe_mixed.csv", "101,99,img/7.jpg,10,20,30,40\n");
    const IjbLists lists = toy.read();
    REQUIRE(lists.probes.subjects[0] == 11);
    require_says(lists.warnings[0], "give a template another subject than its first row");
  }
  SECTION("a file is missing") {
    fs::remove(toy.file("1N_probe_mixed.csv"));
    require_says(toy.error(), "ijbc_1N_probe_mixed.csv");
  }
  SECTION("another folder") {
    REQUIRE_THROWS_WITH(find_ijb(toy.root / "meta", ""),
                        test::contains("neither meta/ijbc_face_tid_mid.txt nor IJBC/meta/"));
    REQUIRE_THROWS_WITH(find_ijb(toy.root, "IJBB"), test::contains("ijbb_face_tid_mid.txt"));
    fs::create_directories(toy.folder / "IJBB/meta");
    std::ofstream(toy.folder / "IJBB/meta/ijbb_face_tid_mid.txt") << "x";
    REQUIRE_THROWS_WITH(find_ijb(toy.folder.path(), ""), test::contains("choose one with --dataset_name"));
    REQUIRE(find_ijb(toy.folder.path(), "IJBB").dataset == "IJBB");
  }
}

TEST_CASE("IJB pictures that are missing stop with file and line") {
  const Toy toy;
  const IjbLists lists = toy.read();
  fs::create_directories(toy.root / "loose_crop");
  for (const std::string& file : lists.files) std::ofstream(toy.root / "loose_crop" / file) << "x";
  require_ijb_pictures(lists, nullptr);
  fs::remove(toy.root / "loose_crop/5.jpg");
  fs::remove(toy.root / "loose_crop/9.jpg");
  REQUIRE_THROWS_WITH(require_ijb_pictures(lists, nullptr),
                      test::contains("ijbc_name_5pts_score.txt: line 5: 5.jpg is not in ") &&
                          test::contains("(2 of 78 pictures are missing)"));
  // With embeddings from elsewhere names take their place.
  std::vector<std::string> names;
  for (const std::string& file : lists.files) names.push_back("IJBC/loose_crop/" + file);
  const PictureNames all(names, "all.txt");
  require_ijb_pictures(lists, &all);
  names.erase(names.begin() + 3);
  const PictureNames some(names, "some.txt");
  REQUIRE_THROWS_WITH(require_ijb_pictures(lists, &some), test::contains("line 4: 4.jpg is not in some.txt"));
}

TEST_CASE(
    "IJB pairs: a long list in pieces, by any number of threads; far apart ids; the first of two faults") {
  const test::TemporaryFolder folder;
  const fs::path list = folder / "pairs.txt";
  const std::vector<std::int64_t> ids{-5, 3, 4'000'000'000'000};
  const TemplateIndex index(ids);
  REQUIRE((index.find(3) == 1 && index.find(4) == -1 && index.find(4'000'000'000'000) == 2 &&
           index.find(-6) == -1));
  constexpr std::size_t kRows = 700'000;  // about 12 MB: several pieces
  {
    std::ofstream out(list);
    for (std::size_t i = 0; i < kRows; ++i)
      out << (i % 7 == 0 ? -5 : 3) << " 4000000000000 " << i % 2 << (i % 1000 == 0 ? "\n\n" : "\n");
  }
  for (const int threads : {1, 3}) {
    const IjbPairs pairs = read_ijb_pairs(list, index, threads);
    REQUIRE(pairs.pairs.size() == kRows);
    REQUIRE(pairs.same.size() == kRows);
    bool right = true;
    for (std::size_t i = 0; i < kRows; ++i)
      right = right && pairs.pairs[i].a == (i % 7 == 0 ? 0 : 1) && pairs.pairs[i].b == 2 &&
              pairs.same[i] == static_cast<char>(i % 2);
    REQUIRE(right);
  }
  std::string text = read_file(list);
  std::size_t at = text.find("\n3 ", text.size() - 2000);  // in the last piece
  text.replace(at + 1, 1, "8");
  at = text.find("\n3 ", 6'000'000);  // in an earlier one
  text.replace(at + 1, 1, "9");
  std::ofstream(list, std::ios::binary) << text;
  const auto line = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n') + 2;
  REQUIRE_THROWS_WITH(read_ijb_pairs(list, index, 2),
                      test::contains("line " + std::to_string(line) + ": template 9 is unknown"));
}
