#include "harness/synth/synth.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "harness/data/augment/degrade.h"
#include "harness/data/lists/pairs.h"
#include "harness/data/loader.h"
#include "harness/data/sets/image_folder.h"
#include "harness/synth/face.h"
#include "tests/harness/data/picture_support.h"
#include "tests/support/catch.h"

using namespace qcface;
using namespace qcface::data;
using namespace qcface::synth;
namespace fs = std::filesystem;

namespace {

SynthOptions small_set(const fs::path& out, int threads) {
  SynthOptions options;
  options.out = out;
  options.identities = 3;
  options.pictures_per_identity = 6;
  options.verify_identities = 4;
  options.verify_pictures = 5;
  options.pairs = 40;
  options.degrade_sources = 2;
  options.seed = 9;
  options.size = 48;
  options.threads = threads;
  return options;
}

std::map<std::string, std::string> contents(const fs::path& root) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (entry.is_regular_file())
      files[fs::relative(entry.path(), root).string()] = test::read_text(entry.path());
  }
  return files;
}

std::vector<std::vector<std::string>> rows_of(const fs::path& csv) {
  std::vector<std::vector<std::string>> rows;
  std::ifstream in(csv);
  for (std::string line; std::getline(in, line);) {
    rows.emplace_back();
    std::stringstream fields(line);
    for (std::string field; std::getline(fields, field, ',');) rows.back().push_back(field);
  }
  return rows;
}

double psnr(const Image& a, const Image& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.bytes(); ++i) sum += std::pow(double{1} * a.data()[i] - b.data()[i], 2);
  return 10.0 * std::log10(255.0 * 255.0 * static_cast<double>(a.bytes()) / std::max(sum, 1e-9));
}

}  // namespace

TEST_CASE("synth: the same options give the same bytes with any number of threads") {
  const test::TemporaryFolder folder;
  const SynthResult one = synthesize_faces(small_set(folder.path() / "one", 1));
  synthesize_faces(small_set(folder.path() / "three", 3));
  const auto first = contents(folder.path() / "one"), second = contents(folder.path() / "three");
  REQUIRE(first.size() == second.size());
  REQUIRE(first == second);
  REQUIRE(one.train_pictures == 18);
  REQUIRE(one.verify_pictures == 20);
  REQUIRE(!one.reused);

  SynthOptions other = small_set(folder.path() / "other", 2);
  other.seed = 10;
  synthesize_faces(other);
  REQUIRE(contents(folder.path() / "other").at("train/id00000/000.jpg") != first.at("train/id00000/000.jpg"));
}

TEST_CASE("synth: the set has the layouts that the readers expect") {
  const test::TemporaryFolder folder;
  const SynthOptions options = small_set(folder.path() / "set", 2);
  double last_progress = -1.0;
  const SynthResult made = synthesize_faces(options, [&](double share) {
    REQUIRE((share >= last_progress && share <= 1.0));
    last_progress = share;
  });
  REQUIRE(last_progress == 1.0);
  const ImageFolder train = scan_image_folder(made.train);
  REQUIRE(train.size() == 18);
  REQUIRE(train.num_classes() == 3);
  REQUIRE(train.warnings().empty());
  ImageDecoder decoder;
  Image image;
  for (std::int64_t i = 0; i < train.size(); ++i) {
    REQUIRE(decoder.decode_file(train.path(i), image).ok());
    REQUIRE((image.width() == 48 && image.height() == 48));
  }
  // Pairs: half same, alternating, no identity pair of equal pictures, all pictures there.
  const PairList pairs = read_pairs(made.pairs, made.verify);
  REQUIRE(pairs.size() == 40);
  REQUIRE(std::count(pairs.same.begin(), pairs.same.end(), 1) == 20);
  for (std::size_t fold = 0; fold < 10; ++fold) {
    const auto begin = pairs.same.begin() + static_cast<std::ptrdiff_t>(4 * fold);
    REQUIRE(std::count(begin, begin + 4, 1) == 2);
  }
  std::set<std::pair<int, int>> distinct;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto [a, b] = pairs.pairs[i];
    REQUIRE(a != b);
    distinct.insert(std::minmax(a, b));
    const auto person = [&](int k) {
      return (std::stoi(fs::path(pairs.images[static_cast<std::size_t>(k)]).stem().string()) - 1) / 5;
    };
    REQUIRE((person(a) == person(b)) == (pairs.same[i] == 1));
  }
  REQUIRE(distinct.size() == 40);
  // Degradation series.
  const auto levels = rows_of(made.levels);
  REQUIRE(levels.front() == std::vector<std::string>{"file", "source", "kind", "level"});
  REQUIRE(static_cast<std::int64_t>(levels.size()) == made.degraded_pictures + 1);
  for (std::size_t i = 1; i < levels.size(); ++i) {
    REQUIRE(levels[i].size() == 4);
    REQUIRE(decoder.decode_file((made.degrade / levels[i][0]).string(), image).ok());
    REQUIRE_NOTHROW(degradation_from_name(levels[i][2]));
  }
  const auto training = rows_of(options.out / "train_degradation.csv");
  REQUIRE(training.size() == 19);
  const auto clean = std::count_if(training.begin() + 1, training.end(),
                                   [](const auto& row) { return row.at(1) == "none"; });
  REQUIRE((clean > 0 && clean < 18));
  for (std::size_t i = 1; i < training.size(); ++i) {
    REQUIRE(fs::exists(made.train / training[i][0]));
    REQUIRE((training[i][1] == "none") == (std::stod(training[i][2]) == 0.0));
  }
}

TEST_CASE("synth: an existing folder is reused, refused or repaired") {
  const test::TemporaryFolder folder;
  SynthOptions options = small_set(folder.path() / "set", 2);
  synthesize_faces(options);
  const auto before = contents(options.out);
  REQUIRE(synthesize_faces(options).reused);
  REQUIRE(contents(options.out) == before);
  SynthOptions other = options;
  other.seed = 1;
  REQUIRE_THROWS_WITH(synthesize_faces(other), test::contains("other options"));
  // Stopped half way: no final marker, stale pictures.
  fs::remove(options.out / "synth.json");
  test::write_text(options.out / "synth.unfinished", "");
  test::write_text(options.out / "train" / "id00000" / "000.jpg", "cut");
  test::write_text(options.out / "train" / "stale" / "1.jpg", "stale");
  REQUIRE(!synthesize_faces(options).reused);
  REQUIRE(contents(options.out) == before);
  // Somebody else's folder.
  test::write_text(folder.path() / "mine" / "thesis.txt", "precious");
  options.out = folder.path() / "mine";
  REQUIRE_THROWS_WITH(synthesize_faces(options), test::contains("not empty"));
  REQUIRE(contents(options.out).size() == 1);
}

TEST_CASE("synth: options out of range are named") {
  const test::TemporaryFolder folder;
  const auto refuse = [&](auto change, const char* what) {
    SynthOptions options = small_set(folder.path() / "set", 1);
    change(options);
    REQUIRE_THROWS_WITH(synthesize_faces(options), test::contains(what));
  };
  refuse([](SynthOptions& o) { o.identities = 0; }, "identities");
  refuse([](SynthOptions& o) { o.pairs = 100000; }, "pairs");
  refuse([](SynthOptions& o) { o.degraded_share = 1.5; }, "share");
  refuse([](SynthOptions& o) { o.size = 8; }, "size");
  refuse([](SynthOptions& o) { o.doubles = 4; }, "groups of 4 identities, expected 1 to 3");
  refuse([](SynthOptions& o) { o.marks = 101; }, "101 marks");
  REQUIRE(!fs::exists(folder.path() / "set"));
}

TEST_CASE("synth: faces are colourful with R > G > B on average, and pictures of one identity differ") {
  std::array<double, 3> mean{};
  Image image, second;
  for (std::uint64_t i = 0; i < 40; ++i) {
    render_face(draw_identity(3, i), draw_picture(3, i, 0), 56, image);
    for (std::size_t k = 0; k < image.bytes(); ++k) mean[k % 3] += image.data()[k];
  }
  CAPTURE(mean[0], mean[1], mean[2]);
  REQUIRE((mean[0] > 1.03 * mean[1] && mean[1] > 1.03 * mean[2]));
  render_face(draw_identity(3, 1), draw_picture(3, 1, 0), 56, image);
  render_face(draw_identity(3, 1), draw_picture(3, 1, 1), 56, second);
  REQUIRE(psnr(image, second) < 25.0);
}

TEST_CASE("synth: doubles look alike in a small picture and not in a large one") {
  // Both, and somebody else, in the same pose and light.
  const auto distance = [](std::uint64_t other, bool doubles, int size) {
    Image first, second;
    const FacePicture picture = draw_picture(5, 0, 0);
    render_face(draw_identity(5, 6), picture, size, first);
    render_face(doubles ? draw_double(5, other, 2) : draw_identity(5, other), picture, size, second);
    return psnr(first, second);
  };
  REQUIRE(distance(6, true, 112) > 100);  // the first of the two is who he was
  REQUIRE(distance(7, true, 14) > distance(7, false, 14) + 6);
  REQUIRE(distance(7, true, 112) < 40);
}

TEST_CASE("synth: marks are on every face, and a set without doubles and marks is what it was") {
  const test::TemporaryFolder folder;
  SynthOptions options = small_set(folder / "plain", 1);
  synthesize_faces(options);
  REQUIRE(read_file(folder / "plain/synth.json").find("marks") == std::string::npos);
  options.out = folder / "marked";
  options.marks = 8;
  options.doubles = 3;
  synthesize_faces(options);
  REQUIRE(read_file(folder / "marked/synth.json").find("\"doubles\": 3") != std::string::npos);
  auto plain = contents(folder / "plain"), marked = contents(folder / "marked");
  REQUIRE(plain.size() == marked.size());
  for (const auto& [name, bytes] : plain) {
    INFO(name);
    if (name.starts_with("train/")) CHECK(marked.at(name) != bytes);
  }
}

TEST_CASE("degradations get worse with the level") {
  Image face, degraded;
  render_face(draw_identity(1, 2), draw_picture(1, 2, 3), 112, face);
  for (Degradation kind : kAllDegradations) {
    const auto levels = study_levels(kind);
    REQUIRE(levels.size() >= 4);
    REQUIRE(levels[0] == 0.0);
    degrade(face, kind, 0.0, 5, 6, degraded);
    REQUIRE(test::difference(face, degraded).largest == 0);
    double last = 1e9;
    for (std::size_t i = 1; i < levels.size(); ++i) {
      REQUIRE(levels[i] > levels[i - 1]);
      degrade(face, kind, levels[i], 5, 6, degraded);
      const double quality = psnr(face, degraded);
      INFO(name_of(kind) << " level " << levels[i] << ": " << quality << " dB after " << last);
      REQUIRE(quality < last);
      last = quality;
    }
    REQUIRE(last < 27.0);
    Image again;
    degrade(face, kind, levels.back(), 5, 6, again);
    REQUIRE(test::difference(degraded, again).largest == 0);
    REQUIRE(degradation_from_name(name_of(kind)) == kind);
  }
  REQUIRE_THROWS_WITH(degradation_from_name("smudge"), test::contains("occlusion"));
  REQUIRE_THROWS_AS(degrade(face, Degradation::kBlur, -1.0, 0, 0, degraded), Error);
}
