#include "harness/convert/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "harness/convert/png.h"
#include "harness/data/lists/pairs.h"
#include "harness/data/loader.h"
#include "harness/data/sets/pack_set.h"
#include "harness/data/sets/verification_pack.h"
#include "tests/harness/cli/qcface_program.h"
#include "tests/harness/convert/made_set.h"

namespace qcface::test {
namespace {

using convert::ConvertOptions, convert::ConvertResult, convert::TargetKind;

ConvertResult convert_places(const std::string& from, const std::filesystem::path& to,
                             ConvertOptions options = {}) {
  options.kind = convert::target_of(to);
  return convert::convert_set(*data::open_pictures(from), from, to, options);
}

std::string python() {
  for (const char* path : {"/usr/bin/python3", "/usr/local/bin/python3"}) {
    if (std::filesystem::exists(path)) return path;
  }
  return {};
}

TEST_CASE("the suffix of a path tells its kind", "[convert]") {
  REQUIRE(convert::target_of("a/train.rec") == TargetKind::kRecord);
  REQUIRE(convert::target_of("x.qpack") == TargetKind::kPack);
  REQUIRE(convert::target_of("lfw.bin") == TargetKind::kBin);
  REQUIRE(convert::target_of("a.rec/faces") == TargetKind::kFolder);
}

TEST_CASE("a folder goes through a pack and comes back, byte for byte, name for name", "[convert]") {
  const TemporaryFolder folder;
  const Tree tree = awkward_tree();
  write_tree(folder / "from", tree);
  const ConvertResult packed = convert_places((folder / "from").string(), folder / "x.qpack");
  REQUIRE(packed.pictures == 7);
  REQUIRE(packed.left_out.empty());
  REQUIRE_FALSE(std::filesystem::exists(folder / "x.qpack.part"));
  REQUIRE_FALSE(std::filesystem::exists(folder / "x.qpack.journal"));
  const auto from = data::open_pictures((folder / "from").string());
  const auto pack = data::open_pictures((folder / "x.qpack").string());
  REQUIRE(pack->class_names() == from->class_names());
  REQUIRE(contents(*pack) == contents(*from));
  convert_places((folder / "x.qpack").string(), folder / "back");
  REQUIRE(tree_of(folder / "back") == tree);
}

TEST_CASE("the writer's bytes are those that the document says", "[convert]") {
  const TemporaryFolder folder;
  const std::string a = picture_file(1), b = picture_file(2, ".png"), c = picture_file(3);
  write_tree(folder / "from", {{"x", {{"1.jpg", a}}}, {"y", {{"2.png", b}, {"3.jpg", c}}}});
  convert_places((folder / "from").string(), folder / "x.qpack");
  HandPack by_hand({{a, 0, "1.jpg"}, {b, 1, "2.png"}, {c, 1, "3.jpg"}}, {"x", "y"});
  REQUIRE(read_file(folder / "x.qpack") == by_hand.bytes());
  ConvertOptions options;
  options.pixels = true;
  options.side = 10;
  convert_places((folder / "from").string(), folder / "p.qpack", options);
  // As the loader cuts them.
  const auto from = data::open_pictures((folder / "from").string());
  data::LoaderOptions loading;
  loading.side = 10;
  loading.shuffle = false;
  loading.workers = 0;
  data::Loader loader(*from, loading);
  loader.start_epoch(0);
  const data::Batch* const batch = loader.next();
  std::vector<PackRecord> records;
  for (std::int64_t i = 0; i < 3; ++i) {
    const auto* const pixels = reinterpret_cast<const char*>(batch->pixels) + 300 * i;
    records.push_back(
        {std::string(pixels, 300), static_cast<std::uint32_t>(from->label(i)), from->file_name(i)});
  }
  HandPack pixels(records, {"x", "y"}, 10);
  REQUIRE(read_file(folder / "p.qpack") == pixels.bytes());
}

TEST_CASE("a pack does not depend on the number of threads", "[convert]") {
  const TemporaryFolder folder;
  Tree tree;
  for (std::uint32_t i = 0; i < 130; ++i)
    tree[fmt::format("{}", i % 7)][fmt::format("{:03}.jpg", i)] = i % 29 == 3 ? "broken" : picture_file(i);
  write_tree(folder / "from", tree);
  for (const bool pixels : {false, true}) {
    std::string first;
    for (const int threads : {1, 2, 5}) {
      ConvertOptions options;
      options.pixels = pixels;
      options.side = 16;
      options.check = true;
      options.threads = threads;
      const auto path = folder / fmt::format("{}-{}.qpack", pixels, threads);
      const ConvertResult result = convert_places((folder / "from").string(), path, options);
      REQUIRE(result.pictures == 125);
      REQUIRE(result.left_out.size() == 5);
      REQUIRE(result.left_out[0].reason == "not a picture format this program knows");
      if (first.empty()) first = read_file(path);
      REQUIRE(read_file(path) == first);
    }
  }
}

TEST_CASE("pictures that cannot be used are left out and named; labels stay", "[convert]") {
  const TemporaryFolder folder;
  std::string cut = picture_file(4);
  cut.resize(cut.size() / 2);
  write_tree(folder / "from", {{"a", {{"bad.jpg", "no picture"}}},
                               {"b", {{"cut.jpg", cut}, {"empty.jpg", ""}, {"good.jpg", picture_file(1)}}}});
  const auto places = (folder / "from").string();
  const ConvertResult kept = convert_places(places, folder / "kept.qpack");
  REQUIRE(kept.pictures == 3);  // bytes are not looked into
  REQUIRE(kept.left_out.size() == 1);
  REQUIRE(kept.left_out[0].reason == "empty file");
  ConvertOptions check;
  check.check = true;
  const ConvertResult checked = convert_places(places, folder / "checked.qpack", check);
  REQUIRE(checked.pictures == 1);
  REQUIRE(checked.left_out.size() == 3);
  REQUIRE_THAT(convert::describe(checked, "x"), contains("3 left out"));
  const data::PackSet set(folder / "checked.qpack");
  REQUIRE(set.num_classes() == 2);
  REQUIRE(set.label(0) == 1);
  REQUIRE(set.class_names() == data::ClassNames{"a", "b"});
  // Nothing at all.
  write_tree(folder / "none", {{"a", {{"bad.jpg", "no picture"}}}});
  REQUIRE_THROWS_WITH(convert_places((folder / "none").string(), folder / "none.qpack", check),
                      contains("not one of 1 pictures can be used"));
  REQUIRE_FALSE(std::filesystem::exists(folder / "none.qpack"));
}

TEST_CASE("what is there is not overwritten", "[convert]") {
  const TemporaryFolder folder;
  write_tree(folder / "from", {{"a", {{"1.jpg", picture_file(1)}}}});
  write_bytes(folder / "x.qpack", "mine");
  write_tree(folder / "full", {{"a", {{"1.jpg", "mine"}}}});
  for (const char* to : {"x.qpack", "full"}) {
    REQUIRE_THROWS_WITH(convert_places((folder / "from").string(), folder / to),
                        contains("is there already"));
  }
  REQUIRE(read_file(folder / "x.qpack") == "mine");
  std::filesystem::create_directory(folder / "empty");
  REQUIRE(convert_places((folder / "from").string(), folder / "empty").pictures == 1);
}

TEST_CASE("pixels become PNG files, and these the same pixels again", "[convert]") {
  const TemporaryFolder folder;
  write_tree(folder / "from", {{"a", {{"1.jpg", picture_file(1)}, {"2.jpg", picture_file(2)}}},
                               {"b", {{"3.jpg", picture_file(3)}}}});
  ConvertOptions options;
  options.pixels = true;
  options.side = 16;
  convert_places((folder / "from").string(), folder / "p.qpack", options);
  convert_places((folder / "p.qpack").string(), folder / "png");
  const Tree tree = tree_of(folder / "png");
  REQUIRE(tree.at("a").count("1.png") == 1);
  convert_places((folder / "png").string(), folder / "q.qpack", options);
  REQUIRE(contents(data::PackSet(folder / "q.qpack")) == contents(data::PackSet(folder / "p.qpack")));
  // A pack of pixels stays one when it is packed again.
  convert_places((folder / "p.qpack").string(), folder / "again.qpack");
  REQUIRE(read_file(folder / "again.qpack") == read_file(folder / "p.qpack"));
}

TEST_CASE("names that are no names of files", "[convert]") {
  using convert::folder_names, convert::usable_file_name;
  REQUIRE(folder_names({"a", "b c", "\xFF"}) == data::ClassNames{"a", "b c", "\xFF"});
  REQUIRE(folder_names({"0", "1", "2"}) == data::ClassNames{"0", "1", "2"});
  // A scan would put 10 before 2.
  REQUIRE(folder_names({"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"})[2] == "02");
  REQUIRE(folder_names({"../../etc", "", ".", "b"}) == data::ClassNames{"0_.._.._etc", "1", "2_.", "3_b"});
  REQUIRE(folder_names({"same", "same"}) == data::ClassNames{"0_same", "1_same"});
  const auto names = folder_names({std::string(300, 'x'), "a"});
  REQUIRE(names[0].size() <= 255);
  for (const char* good : {"1.jpg", "a b.PNG", "x\ny.webp"}) REQUIRE(usable_file_name(good) == good);
  for (const std::string& bad : {std::string("../a.jpg"), std::string(".a.jpg"), std::string("a.txt"),
                                 std::string(), std::string("a\0.jpg", 6), std::string(252, 'x') + ".jpg"}) {
    REQUIRE(usable_file_name(bad).empty());
  }
}

TEST_CASE("a pack with names that mean harm stays inside its folder", "[convert]") {
  const TemporaryFolder folder;
  const std::string a = picture_file(1), b = picture_file(2);
  HandPack pack({{a, 0, "../../../escaped.jpg"}, {b, 1, "same.jpg"}, {a, 1, "same.jpg"}},
                {"../../outside", "/absolute"});
  write_bytes(folder / "evil.qpack", pack.bytes());
  std::filesystem::create_directory(folder / "deep");
  convert_places((folder / "evil.qpack").string(), folder / "deep" / "out");
  REQUIRE(tree_of(folder / "deep" / "out") ==
          Tree{{"0_.._.._outside", {{"000000000.jpg", a}}},
               {"1__absolute", {{"000000001.jpg", b}, {"000000002.jpg", a}}}});
  REQUIRE(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 2);
}

TEST_CASE("a plain reader finds in our .rec what was put there", "[convert]") {
  if (python().empty()) QCFACE_SKIP("no python3 for the plain reader");
  const TemporaryFolder folder;
  // A picture with the magic word at a multiple of 4 behind the header's 24 bytes.
  std::string magic = picture_file(8);
  magic.resize(magic.size() / 4 * 4);
  magic += std::string("\x0A\x23\xD7\xCE\x0A\x23\xD7\xCE", 8);
  const Tree tree{{"a", {{"1.jpg", picture_file(1)}, {"2.jpg", magic}}},
                  {"b", {{"3.png", picture_file(3, ".png", 20, 30)}}}};
  write_tree(folder / "from", tree);
  const ConvertResult result = convert_places((folder / "from").string(), folder / "train.rec");
  REQUIRE(result.pictures == 3);
  const ProcessResult read =
      run_process({python(), QCFACE_SOURCE_DIR "/tests/harness/convert/read_records.py",
                   (folder / "train.rec").string()});
  INFO(read.output);
  REQUIRE(read.ok());
  const auto sha = [&](const std::string& bytes) {
    write_bytes(folder / "sum", bytes);
    return run_process({"/usr/bin/sha256sum", (folder / "sum").string()}).output.substr(0, 64);
  };
  REQUIRE(read.output ==
          "1 flag 0 labels 0 id 1 0 " + sha(tree.at("a").at("1.jpg")) + "\n" + "2 flag 0 labels 0 id 2 0 " +
              sha(magic) + "\n" + "3 flag 0 labels 1 id 3 0 " + sha(tree.at("b").at("3.png")) + "\n" +
              "0 flag 2 labels 4 6 id 0 0 -\n" +
              "4 flag 2 labels 1 3 id 4 0 -\n5 flag 2 labels 3 4 id 5 0 -\nproperty 2,24,24\n");
}

TEST_CASE("Python's own pickle reads our verification pack", "[convert]") {
  if (python().empty()) QCFACE_SKIP("no python3 for its pickle");
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "imgs");
  std::string list;
  for (int i = 1; i <= 1204; ++i) {
    if (i <= 4)
      write_bytes(folder / "imgs" / fmt::format("{}.jpg", i),
                  i == 4 ? std::string("short") : picture_file(static_cast<std::uint32_t>(i)));
    if (i % 2 == 0) list += fmt::format("{} {} {}\n", 1 + i % 4, 4 - i % 3, i % 3 == 0 ? 1 : 0);
  }
  write_bytes(folder / "pairs.list", list);
  const ProcessResult made =
      run_qcface({"data", "convert", "--from", folder.path().string(), "--to", (folder / "x.bin").string(),
                  "--pairs", (folder / "pairs.list").string()});
  INFO(made.output);
  REQUIRE(made.ok());
  const std::string script =
      "import pickle, sys\n"
      "folder = sys.argv[1]\n"
      "images, same = pickle.load(open(folder + '/x.bin', 'rb'))\n"
      "lines = [line.split() for line in open(folder + '/pairs.list')]\n"
      "assert len(images) == 2 * len(lines) and len(same) == len(lines), (len(images), len(same))\n"
      "for k, (a, b, m) in enumerate(lines):\n"
      "    assert same[k] is (m == '1'), k\n"
      "    for j, n in ((2 * k, a), (2 * k + 1, b)):\n"
      "        assert images[j] == open(f'{folder}/imgs/{n}.jpg', 'rb').read(), j\n"
      "print('all', len(lines))\n";
  const ProcessResult read = run_process({python(), "-c", script, folder.path().string()});
  INFO(read.output);
  REQUIRE(read.says("all 602"));
  // A picture that is not one: pairs cannot be left out.
  const ProcessResult refused =
      run_qcface({"data", "convert", "--check", "--from", folder.path().string(), "--to",
                  (folder / "y.bin").string(), "--pairs", (folder / "pairs.list").string()});
  REQUIRE(refused.status == 1);
  REQUIRE(
      refused.says("imgs/4.jpg: not a picture format this program knows; a verification pack needs both"));
}

TEST_CASE("pictures that are not in the order of their labels", "[convert]") {
  const TemporaryFolder folder;
  const std::string a = picture_file(1), b = picture_file(2), c = picture_file(3);
  HandPack pack({{a, 1, "a.jpg"}, {b, 0, "b.jpg"}, {c, 1, "c.jpg"}}, {"0", "1"});
  write_bytes(folder / "mixed.qpack", pack.bytes());
  convert_places((folder / "mixed.qpack").string(), folder / "again.qpack");
  REQUIRE(read_file(folder / "again.qpack") == pack.bytes());
  convert_places((folder / "mixed.qpack").string(), folder / "train.rec");
  if (python().empty()) QCFACE_SKIP("no python3 for the plain reader");
  const ProcessResult read =
      run_process({python(), QCFACE_SOURCE_DIR "/tests/harness/convert/read_records.py",
                   (folder / "train.rec").string()});
  INFO(read.output);
  REQUIRE(read.says("1 flag 0 labels 0 id 1"));
  REQUIRE(read.says("5 flag 2 labels 2 4 id 5"));
}

TEST_CASE("folder, RecordIO, pack, folder: bytes and labels stay", "[convert]") {
  const TemporaryFolder folder;
  Tree tree = awkward_tree();
  for (std::uint32_t i = 0; i < 12; ++i) tree[fmt::format("person {}", i)]["0.jpg"] = picture_file(100 + i);
  write_tree(folder / "from", tree);
  convert_places((folder / "from").string(), folder / "train.rec");
  convert_places((folder / "train.rec").string(), folder / "x.qpack");
  convert_places((folder / "x.qpack").string(), folder / "back");
  const auto before = contents(*data::open_pictures((folder / "from").string()));
  REQUIRE(before.size() == 16);
  REQUIRE(contents(*data::open_pictures((folder / "train.rec").string())) == before);
  REQUIRE(contents(*data::open_pictures((folder / "x.qpack").string())) == before);
  REQUIRE(contents(*data::open_pictures((folder / "back").string())) == before);
  REQUIRE(std::filesystem::exists(folder / "back" / "09"));  // zero-padded, so that a scan keeps the order
  // Several sets in one, a pack among them.
  const std::string both = (folder / "x.qpack").string() + "," + (folder / "from").string();
  convert_places(both, folder / "both.qpack");
  const data::PackSet set(folder / "both.qpack");
  REQUIRE(set.size() == 38);
  REQUIRE(set.num_classes() == 32);
  REQUIRE(set.file_name(19) == data::open_pictures((folder / "from").string())->file_name(0));
}

// Not to its bytes: its pictures have a second label, which a set does not keep.
TEST_CASE("the classic vector is written again with its pictures, labels, keys and layout", "[convert]") {
  const TemporaryFolder folder;
  const std::string vector = vectors("recordio/classic.rec").string();
  convert_places(vector, folder / "classic.rec");
  const auto before = data::open_pictures(vector),
             after = data::open_pictures((folder / "classic.rec").string());
  REQUIRE(before->num_classes() == after->num_classes());
  REQUIRE(contents(*before) == contents(*after));
  const auto keys = [](const std::filesystem::path& index) {
    std::vector<std::string> found;
    std::istringstream lines(read_file(index));
    for (std::string line; std::getline(lines, line);) found.push_back(line.substr(0, line.find('\t')));
    return found;
  };
  REQUIRE(keys(folder / "classic.idx") == keys(vectors("recordio/classic.idx")));
  // Record 0 and those of the identities stand at the end, and have the vector's bytes.
  const std::string written = read_file(folder / "classic.rec"), expected = read_file(vector);
  constexpr std::size_t kIdentities = 4 * 40;
  REQUIRE(written.substr(written.size() - kIdentities) == expected.substr(expected.size() - kIdentities));
  const std::string property = read_file(folder / "property");
  REQUIRE(property == "3,16,16");
  // Another set in the same folder keeps its hands off that file.
  const ConvertResult second = convert_places(vectors("recordio/im2rec.rec").string(), folder / "im2rec.rec");
  REQUIRE(read_file(folder / "property") == property);
  REQUIRE(second.notes.size() == 1);
  REQUIRE_THAT(second.notes[0], contains("says something else"));
}

TEST_CASE("a verification pack becomes a folder with a list, and one again", "[convert]") {
  const TemporaryFolder folder;
  const auto expected = nlohmann::json::parse(read_file(vectors("bin/expected.json")));
  for (const char* name : {"py2_protocol2", "py3_protocol2", "py3_ndarray_protocol5"}) {
    const auto out = folder / name;
    const ProcessResult made =
        run_qcface({"data", "convert", "--from", vectors(fmt::format("bin/{}.bin", name).c_str()).string(),
                    "--to", out.string()});
    INFO(made.output);
    REQUIRE(made.ok());
    REQUIRE(std::distance(std::filesystem::directory_iterator(out / "imgs"), {}) == 8);
    const data::PairList pairs = data::read_pairs(out / "pairs.list", out);
    REQUIRE(pairs.size() == 4);
    const data::VerificationPack pack(vectors(fmt::format("bin/{}.bin", name).c_str()));
    REQUIRE(pairs.same == pack.pairs().same);
    std::vector<std::uint8_t> buffer;
    for (int i = 0; i < 8; ++i) {
      data::StoredPicture stored;
      REQUIRE(pack.read(i, buffer, stored).ok());
      REQUIRE(read_file(pairs.images[static_cast<std::size_t>(i)]) ==
              std::string(stored.bytes.begin(), stored.bytes.end()));
    }
    const auto again = folder / fmt::format("{}.bin", name);
    REQUIRE(run_qcface({"data", "convert", "--from", out.string(), "--pairs", (out / "pairs.list").string(),
                        "--to", again.string()})
                .ok());
    // The same pictures and labels in whatever form they came.
    if (!std::filesystem::exists(folder / "first.bin")) std::filesystem::copy(again, folder / "first.bin");
    REQUIRE(read_file(again) == read_file(folder / "first.bin"));
  }
  const ProcessResult refused = run_qcface(
      {"data", "convert", "--from", (folder / "first.bin").string(), "--to", (folder / "x.rec").string()});
  REQUIRE(refused.status == 2);
  REQUIRE(refused.says("holds pairs and no identities"));
}

}  // namespace
}  // namespace qcface::test
