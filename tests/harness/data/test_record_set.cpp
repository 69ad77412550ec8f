// A RecordIO file as a training set: layouts, labels, what is left out, and files that other programs wrote.
#include "harness/data/sets/record_set.h"

#include <fstream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/error.h"
#include "harness/data/lists/list_text.h"
#include "harness/data/loader.h"
#include "tests/harness/data/picture_support.h"
#include "tests/harness/data/record_writer.h"
#include "tests/support/catch.h"
#include "tests/support/sha256.h"

using namespace qcface;
using namespace qcface::data;
namespace fs = std::filesystem;
using test::RecordWriter;

namespace {

bool warns(const PictureSource& set, const std::string& part) {
  for (const std::string& text : set.warnings()) {
    if (text.find(part) != std::string::npos) return true;
  }
  return false;
}

std::vector<std::int64_t> labels(const PictureSource& set) {
  std::vector<std::int64_t> all;
  for (std::int64_t i = 0; i < set.size(); ++i) all.push_back(set.label(i));
  return all;
}

std::string stored(const PictureSource& set, std::int64_t index) {
  std::vector<std::uint8_t> buffer;
  StoredPicture picture;
  const DecodeResult result = set.read(index, buffer, picture);
  INFO(result.reason);
  REQUIRE(result.ok());
  REQUIRE(picture.bytes.size() == set.stored_bytes(index));
  return {picture.bytes.begin(), picture.bytes.end()};
}

std::string reason(const PictureSource& set, std::int64_t index) {
  std::vector<std::uint8_t> buffer;
  StoredPicture picture;
  return set.read(index, buffer, picture).reason;
}

// Identities of these many pictures, as InsightFace writes them; pictures are "picture <key>".
RecordWriter classic(const std::vector<int>& identities) {
  RecordWriter writer;
  std::vector<std::pair<float, float>> ranges;
  std::uint64_t key = 0;
  for (const int pictures : identities) key += static_cast<std::uint64_t>(pictures);
  const auto a = static_cast<float>(key + 1);
  writer.add(0, {a, a + static_cast<float>(identities.size())}, "");
  key = 1;
  for (std::size_t c = 0; c < identities.size(); ++c) {
    const auto first = static_cast<float>(key);
    for (int i = 0; i < identities[c]; ++i, ++key)
      writer.add(key, {static_cast<float>(c)}, "picture " + std::to_string(key));
    ranges.emplace_back(first, static_cast<float>(key));
  }
  for (const auto& [first, end] : ranges) writer.add(key++, {first, end}, "");
  return writer;
}

// Changes the label of the record of `key`, which has a scalar one.
void relabel(RecordWriter& writer, int key, float label) {
  const std::string line = "\n" + std::to_string(key) + "\t";
  const std::size_t at = ("\n" + writer.index).find(line);
  const std::size_t offset = std::stoul(writer.index.substr(at + line.size() - 1));
  std::memcpy(writer.file.data() + offset + 8 + 4, &label, 4);
}

}  // namespace

TEST_CASE("vector: the classic layout, with its index and without") {
  std::ifstream file(test::vectors("recordio/expected.json"));
  const nlohmann::json images = nlohmann::json::parse(file).at("classic").at("images");
  const test::TemporaryFolder folder;
  fs::copy_file(test::vectors("recordio/classic.rec"), folder / "train.rec");
  fs::copy_file(test::vectors("recordio/property"), folder / "property");
  const bool indexed = GENERATE(true, false);
  if (indexed) fs::copy_file(test::vectors("recordio/classic.idx"), folder / "train.idx");
  INFO(indexed);
  const auto set = open_pictures(folder.path().string());
  REQUIRE(set->size() == 8);
  REQUIRE(set->num_classes() == 3);
  REQUIRE(set->class_names() == ClassNames{"0", "1", "2"});
  REQUIRE(set->parts().size() == 1);
  REQUIRE_FALSE(set->parts()[0].named_classes);
  REQUIRE(set->warnings().empty());
  for (std::size_t i = 0; i < images.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    REQUIRE(set->label(index) == images[i].at("label").get<std::int64_t>());
    const std::string picture = stored(*set, index);
    REQUIRE(test::sha256({reinterpret_cast<const std::uint8_t*>(picture.data()), picture.size()}) ==
            images[i].at("jpeg_sha256").get<std::string>());
  }
  REQUIRE(set->name(4) == (folder / "train.rec").string() + "#key 5 (class 2)");
  REQUIRE(set->name_in_set(4) == "2/5");
}

TEST_CASE("vector: the layout of im2rec, its keys in any order and its classes sparse") {
  const test::TemporaryFolder folder;
  fs::copy_file(test::vectors("recordio/im2rec.rec"), folder / "im2rec.rec");
  const bool indexed = GENERATE(true, false);
  if (indexed) fs::copy_file(test::vectors("recordio/im2rec.idx"), folder / "im2rec.idx");
  const auto set = open_pictures((folder / "im2rec.rec").string());
  REQUIRE(labels(*set) == std::vector<std::int64_t>{1, 0, 2, 0, 1, 70000});
  REQUIRE(set->num_classes() == 70001);
  REQUIRE(set->name(0) == (folder / "im2rec.rec").string() + "#key 3 (class 1)");
  test::write_text(folder / "property", "80000,112,112\n");
  REQUIRE(open_pictures((folder / "im2rec.rec").string())->num_classes() == 80000);
  test::write_text(folder / "property", "3,112,112\n");
  const auto wrong = open_pictures((folder / "im2rec.rec").string());
  REQUIRE(wrong->num_classes() == 70001);
  REQUIRE(warns(*wrong, "property: expected `classes,height,width` with 70001 classes"));
}

TEST_CASE("a classic set takes its labels from the identity records, and checks them") {
  const test::TemporaryFolder folder;
  RecordWriter writer = classic({40, 30, 30});
  SECTION("as they are") {
    const auto set = open_record_set(writer.write(folder / "s"));
    REQUIRE(set.size() == 100);
    REQUIRE(set.warnings().empty());
    REQUIRE(set.label(39) == 0);
    REQUIRE(set.label(40) == 1);
    REQUIRE(stored(set, 99) == "picture 100");
  }
  SECTION("a picture that says otherwise is seen at once") {
    relabel(writer, 17, 2.0f);
    const auto set = open_record_set(writer.write(folder / "s"));
    REQUIRE(warns(set, "the label of key 17 is 2, the identity records say 0: every label is read"));
    REQUIRE(set.label(16) == 2);
    REQUIRE(stored(set, 16) == "picture 17");
  }
  SECTION("or when it is read, where there are too many to look at") {
    RecordWriter large = classic({3000, 3000});
    relabel(large, 2, 1.0f);  // the sample has every sixth
    const auto set = open_record_set(large.write(folder / "s"));
    REQUIRE(set.warnings().empty());
    REQUIRE(set.label(1) == 0);
    REQUIRE_THAT(reason(set, 1), test::contains("the record's label is 1, the set was opened with 0"));
    REQUIRE(reason(set, 2).empty());
  }
  SECTION("identities that claim the same pictures are not believed") {
    RecordWriter overlap;
    overlap.add(0, {4.0f, 6.0f}, "");
    for (int key = 1; key < 4; ++key)
      overlap.add(static_cast<std::uint64_t>(key), {key == 3 ? 1.0f : 0.0f}, "x");
    overlap.add(4, {1.0f, 4.0f}, "");
    overlap.add(5, {3.0f, 4.0f}, "");
    const auto set = open_record_set(overlap.write(folder / "s"));
    REQUIRE(labels(set) == std::vector<std::int64_t>{0, 0, 1});
    REQUIRE(warns(set, "identities 0 and 1 claim the same pictures"));
  }
  SECTION("the second label, the mark of alignment, is no reason for a warning") {
    RecordWriter marked;
    marked.add(0, {3.0f, 4.0f}, "");
    for (const std::uint64_t key : {1u, 2u}) marked.add(key, {0.0f, 1.0f}, "x");
    marked.add(3, {1.0f, 3.0f}, "");
    const auto set = open_record_set(marked.write(folder / "s"));
    REQUIRE(set.size() == 2);
    REQUIRE(set.warnings().empty());
  }
}

TEST_CASE("keys that a float cannot hold are taken from the index and from the pictures") {
  // Records of a set beyond 2^24 pictures, of which only these exist: a = 2^24 + 1 is written as 2^24.
  const test::TemporaryFolder folder;
  RecordWriter writer;
  const std::uint64_t a = (1u << 24) + 1;
  writer.add(0, {static_cast<float>(a), static_cast<float>(a + 2)}, "");
  REQUIRE(static_cast<float>(a) == 16777216.0f);
  writer.add(1, {0.0f}, "one");
  writer.add(2, {0.0f}, "two");
  writer.add(a - 1, {1.0f}, "last");
  writer.add(a, {1.0f, 3.0f}, "");
  writer.add(a + 1, {static_cast<float>(a - 1), static_cast<float>(a)}, "");
  const bool indexed = GENERATE(true, false);
  const auto set = open_record_set(writer.write(folder / "s", indexed));
  REQUIRE(labels(set) == std::vector<std::int64_t>{0, 0, 1});
  REQUIRE(set.num_classes() == 2);
  REQUIRE(stored(set, 2) == "last");
  REQUIRE(warns(set, "16777213 of the 16777216 image keys that record 0 names have no record"));
}

TEST_CASE("what is no picture of a class is left out, counted and named") {
  const test::TemporaryFolder folder;
  RecordWriter writer;
  writer.add(7, {1.0f}, "seven");
  writer.add(8, {1.0f}, "");
  writer.add(9, {-1.0f}, "nine");
  writer.add(10, {0.5f}, "ten");
  writer.add(11, {0.0f, 5.0f, 6.0f}, "eleven");
  writer.add(12, {std::numeric_limits<float>::quiet_NaN()}, "twelve");
  const bool indexed = GENERATE(true, false);
  const auto set = open_record_set(writer.write(folder / "s", indexed));
  REQUIRE(labels(set) == std::vector<std::int64_t>{1, 0});
  REQUIRE(warns(set, "1 records without a picture are left out, for example key 8"));
  REQUIRE(
      warns(set, "3 records are left out because their label is no class number, for example -1 of key 9"));
  REQUIRE(warns(set, "1 records hold several labels (up to 3): the first is taken for the class"));
  REQUIRE(set.warnings().size() == 3);
  REQUIRE(stored(set, 1) == "eleven");
}

TEST_CASE("missing image keys and records behind the identities are counted") {
  const test::TemporaryFolder folder;
  RecordWriter writer;
  writer.add(0, {11.0f, 13.0f}, "");
  for (const std::uint64_t key : {1u, 2u, 5u, 9u}) writer.add(key, {key > 4 ? 1.0f : 0.0f}, "x");
  writer.add(11, {1.0f, 4.0f}, "");
  writer.add(12, {4.0f, 11.0f}, "");
  writer.add(13, {4.0f, 11.0f}, "");
  const bool indexed = GENERATE(true, false);
  const auto set = open_record_set(writer.write(folder / "s", indexed));
  REQUIRE(labels(set) == std::vector<std::int64_t>{0, 0, 1, 1});
  REQUIRE(set.name_in_set(3) == "1/9");
  REQUIRE(warns(set, "6 of the 10 image keys that record 0 names have no record"));
  REQUIRE(warns(set, "1 records behind the identity records are left out"));
}

TEST_CASE("damaged records: few are left out, many refuse the set") {
  const test::TemporaryFolder folder;
  RecordWriter writer;
  std::vector<std::size_t> offsets;
  for (int key = 0; key < 300; ++key) {
    offsets.push_back(writer.file.size());
    writer.add(static_cast<std::uint64_t>(key), {static_cast<float>(key % 3)}, "picture");
  }
  const auto damage = [&](int key) { writer.file[offsets[static_cast<std::size_t>(key)]] = 'x'; };
  damage(100);
  damage(200);
  const auto set = open_record_set(writer.write(folder / "few"));
  REQUIRE(set.size() == 298);
  REQUIRE(warns(
      set, fmt::format("2 records are damaged and left out, for example byte {}: magic word", offsets[100])));
  // Without an index nobody knows where the next record begins.
  REQUIRE_THROWS_WITH(open_record_set(writer.write(folder / "scan", false)),
                      test::contains(fmt::format("train.rec: byte {}: magic word", offsets[100])));
  damage(1);
  damage(2);
  REQUIRE_THROWS_WITH(open_record_set(writer.write(folder / "many")),
                      test::contains("train.rec: 4 of 300 records cannot be read, for example byte ") &&
                          test::contains("index"));
  RecordWriter classic_set = classic({200, 200});
  const auto path = classic_set.write(folder / "classic");
  const auto sound = open_record_set(path);
  REQUIRE(sound.size() == 400);
  std::fstream(path, std::ios::in | std::ios::out | std::ios::binary)
      .seekp(40)
      .write("x", 1);  // record of key 1
  const auto damaged = open_record_set(path);
  REQUIRE(damaged.size() == 400);
  REQUIRE_THAT(reason(damaged, 0), test::contains("byte 40: magic word"));
}

TEST_CASE("sets that make no sense are refused with file and byte") {
  const test::TemporaryFolder folder;
  const auto refused = [&](const RecordWriter& writer, const char* why) {
    REQUIRE_THROWS_WITH(open_record_set(writer.write(folder / "s")),
                        test::contains(why) && test::contains("train."));
  };
  RecordWriter writer;
  SECTION("empty") {
    refused(writer, "train.rec: the file is empty");
    writer.add(1, {0.0f}, "x");
    writer.index.clear();
    refused(writer, "train.idx: the index names no record");
  }
  SECTION("an index of another file") {
    writer.add(1, {0.0f}, "x");
    writer.index += "2\t4000\n";
    refused(writer, "train.idx: line 2: offset 4000 lies beyond the end");
  }
  SECTION("record 0") {
    for (const auto& [a, b] : {std::pair{0.0f, 3.0f}, {4.5f, 6.0f}, {5.0f, 4.0f}, {1e30f, 1e30f}}) {
      RecordWriter odd;
      odd.add(0, {a, b}, "");
      odd.add(1, {0.0f}, "x");
      refused(odd, "byte 0: record 0 has no picture and 2 labels");
    }
  }
  SECTION("a picture where an identity should be") {
    writer.add(0, {2.0f, 4.0f}, "");
    writer.add(1, {0.0f}, "x");
    writer.add(2, {1.0f, 2.0f}, "");
    writer.add(3, {0.0f}, "y");
    refused(writer, "the record of key 3 is no identity record, but record 0 says that keys 2 to 3 are");
  }
  SECTION("labels that would make a head of a size without sense") {
    writer.add(1, {0.0f}, "x");
    writer.add(2, {16000000.0f}, "x");
    refused(writer,
            "16000001 classes for 2 pictures (the largest label is 16000000), expected at most 1048704");
  }
  SECTION("nothing but records without a class") {
    writer.add(1, {-1.0f}, "x");
    refused(writer, "none of the 1 records holds a picture with a class (label -1 of key 1)");
  }
}

TEST_CASE("a place is told by its content") {
  const test::TemporaryFolder folder;
  const RecordWriter writer = classic({2, 2});
  const fs::path rec = writer.write(folder / "set");
  REQUIRE(is_record_set(rec));
  REQUIRE(is_record_set(folder / "set"));
  fs::copy_file(rec, folder / "renamed");
  REQUIRE(is_record_set(folder / "renamed"));
  REQUIRE(open_pictures((folder / "renamed").string())->size() == 4);
  test::write_text(folder / "text", "no records");
  REQUIRE_FALSE(is_record_set(folder / "text"));
  REQUIRE_FALSE(is_record_set(folder / "absent"));
  REQUIRE_THROWS_WITH(open_pictures((folder / "text").string()), test::contains("RecordIO"));
  test::write_text(folder / "broken.rec", "no records");
  REQUIRE_THROWS_WITH(open_pictures((folder / "broken.rec").string()),
                      test::contains("broken.rec: byte 0: magic word"));
}

TEST_CASE("vectors decode, and training's loader takes a set of records") {
  const test::TemporaryFolder folder;
  RecordWriter writer;
  for (int key = 0; key < 20; ++key) {
    const auto file = folder / "picture.png";
    write_image(file.string(), test::make_picture(static_cast<std::uint32_t>(key), 24, 24));
    std::string picture = test::read_text(file);
    if (key % 3 == 0) picture += std::string("\0\0\0\x0A\x23\xD7\xCE", 7);  // many of them are split records
    writer.add(static_cast<std::uint64_t>(key), {static_cast<float>(key / 4)}, picture);
  }
  const auto set = open_record_set(writer.write(folder / "s"));
  REQUIRE(set.num_classes() == 5);
  LoaderOptions options;
  options.batch_size = 6;
  options.seed = 5;
  options.side = 24;
  Loader loader(set, options);
  loader.start_epoch(0);
  std::int64_t seen = 0;
  while (const Batch* batch = loader.next()) {
    for (std::int64_t i = 0; i < batch->size; ++i) {
      const auto at = static_cast<std::size_t>(i);
      REQUIRE(batch->labels[at] == batch->indices[at] / 4);
      const Image picture = test::make_picture(static_cast<std::uint32_t>(batch->indices[at]), 24, 24);
      REQUIRE(std::memcmp(batch->pixels + at * picture.bytes(), picture.data(), picture.bytes()) == 0);
      ++seen;
    }
  }
  REQUIRE(seen == 20);
  REQUIRE(loader.corrupt().empty());
}

TEST_CASE("files that MXNet's im2rec wrote are what their lists say") {
  const fs::path folder = test::real_data("formats/recordio");
  if (folder.empty()) {
    WARN("[qcface-skip] QCFACE_REAL_DATA names no folder with formats/recordio");
    return;
  }
  struct Expected {
    const char* name;
    std::int64_t pictures, classes, side;
  };
  for (const auto& [name, pictures, classes, side] :
       {Expected{"faces64", 1632, 1, 64}, {"small28", 392, 35, 28}, {"flag9", 12, 5, 0}}) {
    INFO(name);
    const auto set = open_record_set(folder / (std::string(name) + ".rec"));
    REQUIRE(set.size() == pictures);
    REQUIRE(set.num_classes() == classes);
    std::map<std::string, std::int64_t> label_of;
    const ListText list(folder / (std::string(name) + ".lst"));
    for (const ListLine& line : list.lines()) {
      const auto fields = split_fields(line.text, Separator::kTab);
      REQUIRE(fields);
      label_of[fields->at(0)] = static_cast<std::int64_t>(std::stod(fields->at(1)));
    }
    ImageDecoder decoder;
    Image image;
    std::vector<std::uint8_t> buffer;
    StoredPicture picture;
    for (std::int64_t i = 0; i < set.size(); ++i) {
      const std::string key = set.name_in_set(i).substr(set.name_in_set(i).find('/') + 1);
      // The list beside small28 has 1000 lines of ten classes: it is of another set.
      if (std::string(name) != "small28") REQUIRE(set.label(i) == label_of.at(key));
      REQUIRE(set.read(i, buffer, picture).ok());
      REQUIRE(decoder.decode(picture, image).ok());
      if (side > 0) REQUIRE((image.width() == side && image.height() == side));
    }
    REQUIRE(warns(set, "12 records hold several labels (up to 9)") == (std::string(name) == "flag9"));
  }
}
