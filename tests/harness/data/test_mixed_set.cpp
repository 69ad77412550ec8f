// Several data sets in one run: labels, weights, and the bits of an epoch.
#include "harness/data/sets/mixed_set.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/error.h"
#include "harness/data/loader.h"
#include "tests/harness/data/picture_support.h"
#include "tests/harness/data/record_writer.h"
#include "tests/support/catch.h"

using namespace qcface;
using namespace qcface::data;
namespace fs = std::filesystem;

namespace {

constexpr int kSide = 24;

std::string picture_file(const test::TemporaryFolder& folder, std::uint32_t seed) {
  const fs::path file = folder / "one.png";
  write_image(file.string(), test::make_picture(seed, kSide, kSide));
  return test::read_text(file);
}

// A folder of identities 0 (3 pictures), 1 (2) and anna (2), and records of classes 0 (4) and 1 (6).
struct TwoSets {
  test::TemporaryFolder folder;
  std::string faces = (folder / "faces").string(), records = (folder / "records").string();
  TwoSets() {
    std::uint32_t seed = 0;
    for (const auto& [name, pictures] : {std::pair{"0", 3}, {"1", 2}, {"anna", 2}}) {
      for (int i = 0; i < pictures; ++i)
        test::write_text(fs::path(faces) / name / (std::to_string(i) + ".png"), picture_file(folder, seed++));
    }
    test::RecordWriter writer;
    for (int key = 0; key < 10; ++key)
      writer.add(static_cast<std::uint64_t>(key), {key < 4 ? 0.0f : 1.0f}, picture_file(folder, seed++));
    writer.write(records);
  }
  // A folder more, of a picture each.
  std::string folder_of(const std::vector<std::string>& names) const {
    for (const std::string& name : names)
      test::write_text(folder / "more" / name / "0.png", picture_file(folder, 99));
    return (folder / "more").string();
  }
};

std::vector<std::int64_t> labels(const PictureSource& set) {
  std::vector<std::int64_t> all;
  for (std::int64_t i = 0; i < set.size(); ++i) all.push_back(set.label(i));
  return all;
}

PicturePart part(std::int64_t size) { return {.what = "a set", .size = size}; }

std::map<std::int64_t, int> counts(const std::vector<std::int64_t>& entries, const EpochPlan& plan) {
  std::map<std::int64_t, int> times;
  for (const std::int64_t entry : entries) ++times[plan.index_of(entry)];
  return times;
}

struct Seen {
  std::vector<std::uint8_t> pixels;
  std::vector<std::int64_t> labels, indices;
  bool operator==(const Seen&) const = default;
};

Seen read_epoch(const PictureSource& set, const LoaderOptions& options, std::int64_t epoch,
                std::int64_t first = 0) {
  Loader loader(set, options);
  loader.start_epoch(epoch, first);
  Seen seen;
  while (const Batch* batch = loader.next()) {
    const auto n = static_cast<std::size_t>(batch->size);
    seen.pixels.insert(seen.pixels.end(), batch->pixels, batch->pixels + n * 3 * kSide * kSide);
    seen.labels.insert(seen.labels.end(), batch->labels.begin(), batch->labels.end());
    seen.indices.insert(seen.indices.end(), batch->indices.begin(), batch->indices.end());
  }
  return seen;
}

LoaderOptions options_with(std::vector<double> weights) {
  LoaderOptions options;
  options.batch_size = 4;
  options.prefetch = 2;
  options.seed = 42;
  options.weights = std::move(weights);
  options.augment = AugmentMode::kPublished;
  options.side = kSide;
  return options;
}

}  // namespace

TEST_CASE("a folder and records in one set: labels one after the other, or one a name") {
  TwoSets two;
  const auto apart = open_pictures(two.faces + "," + two.records);
  REQUIRE(labels(*apart) == std::vector<std::int64_t>{0, 0, 0, 1, 1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4});
  REQUIRE(apart->class_names() == ClassNames{"0", "1", "anna", "0", "1"});
  REQUIRE(apart->num_classes() == 5);
  REQUIRE(apart->name(2) == two.faces + "/0/2.png");
  REQUIRE(apart->name(7) == two.records + "/train.rec#key 0 (class 0)");
  REQUIRE(apart->name_in_set(2) == "0/2.png");
  const auto parts = apart->parts();
  REQUIRE(parts.size() == 2);
  REQUIRE(parts[0].what == "image folder " + two.faces);
  REQUIRE((parts[0].size == 7 && parts[0].classes == 3 && parts[0].named_classes));
  REQUIRE(parts[1].what == "RecordIO (im2rec) " + two.records + "/train.rec");
  REQUIRE((parts[1].size == 10 && parts[1].classes == 2 && !parts[1].named_classes));

  const auto merged = open_pictures(two.records + "," + two.faces, true);
  REQUIRE(labels(*merged) == std::vector<std::int64_t>{0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 2, 2});
  REQUIRE(merged->class_names() == ClassNames{"0", "1", "anna"});
  REQUIRE(merged->parts()[1].classes == 3);
  // The second set has the first and the last class of those there are.
  const std::string few = two.folder_of({"0", "anna", "zoe"});
  const auto scattered = open_pictures(two.records + "," + two.faces + "," + few, true);
  const auto found = labels(*scattered);
  REQUIRE(std::vector<std::int64_t>(found.end() - 3, found.end()) == std::vector<std::int64_t>{0, 2, 3});
  REQUIRE(scattered->class_names() == ClassNames{"0", "1", "anna", "zoe"});

  ImageDecoder decoder;
  Image image;
  std::vector<std::uint8_t> buffer;
  StoredPicture picture;
  for (std::int64_t i = 0; i < apart->size(); ++i) {
    REQUIRE(apart->read(i, buffer, picture).ok());
    REQUIRE(apart->stored_bytes(i) == picture.bytes.size());
    REQUIRE(decoder.decode(picture, image).ok());
    REQUIRE(test::difference(image, test::make_picture(static_cast<std::uint32_t>(i), kSide, kSide)).count ==
            0);
  }
}

TEST_CASE("weights: whole passes, and a subset that is drawn anew each epoch") {
  const std::vector<PicturePart> parts{part(10), part(7), part(4)};
  const std::vector<double> weights{0.5, 2.0, 1.3};
  const EpochPlan plan(parts, weights);
  REQUIRE(plan.shown(0) == 5);
  REQUIRE(plan.shown(1) == 14);
  REQUIRE(plan.shown(2) == 5);  // 4 and round(1.2)
  REQUIRE(plan.size() == 24);
  std::set<std::vector<std::int64_t>> subsets;
  std::map<std::int64_t, int> often;
  for (std::int64_t epoch = 0; epoch < 200; ++epoch) {
    const auto order = plan.order(9, epoch, true);
    REQUIRE(order.size() == 24);
    REQUIRE(order == plan.order(9, epoch, true));
    REQUIRE(std::set<std::int64_t>(order.begin(), order.end()).size() ==
            24);  // a repeat has another augmentation
    std::vector<std::int64_t> subset;
    int of_last = 0;
    for (const auto& [index, times] : counts(order, plan)) {
      REQUIRE((index >= 0 && index < 21));
      if (index < 10) {
        REQUIRE(times == 1);
        subset.push_back(index);
        ++often[index];
      } else if (index < 17) {
        REQUIRE(times == 2);
      } else {
        REQUIRE((times == 1 || times == 2));
        of_last += times;
      }
    }
    REQUIRE(subset.size() == 5);
    REQUIRE(of_last == 5);
    subsets.insert(subset);
  }
  REQUIRE(subsets.size() > 100);  // of 252
  for (std::int64_t i = 0; i < 10; ++i) {
    INFO(i << " in " << often[i] << " of 200 epochs");
    REQUIRE((often[i] > 70 && often[i] < 130));  // 100 +- 4 deviations of 7.1
  }
  // In the sets' own order: pass after pass.
  const auto plain = plan.order(9, 0, false);
  REQUIRE(std::is_sorted(plain.begin(), plain.begin() + 5));
  REQUIRE(plan.index_of(plain[5]) == 10);
  REQUIRE(plan.index_of(plain[5 + 7]) == 10);
  REQUIRE(plain[5 + 7] == 21 + 10);
}

TEST_CASE("weights of 1 are the order without weights") {
  const std::vector<PicturePart> parts{part(10), part(7)};
  const std::vector<double> ones{1.0, 1.0};
  REQUIRE(EpochPlan(parts, ones).order(7, 3, true) == epoch_order(17, 7, 3, true));
  REQUIRE(EpochPlan(parts, {}).order(7, 3, true) == epoch_order(17, 7, 3, true));
  const std::vector<double> twice{2.0, 1.0};
  REQUIRE(EpochPlan(parts, twice).size() == 27);
  for (const std::vector<double>& wrong : {std::vector<double>{1.0}, {1.0, 0.0}, {1.0, -1.0}, {1.0, 1e9}})
    REQUIRE_THROWS_AS(EpochPlan(parts, wrong), Error);
  REQUIRE_THROWS_WITH(EpochPlan(parts, std::vector<double>{0.01, 0.01}), test::contains("no picture"));
}

TEST_CASE("loader: a weighted epoch is exact, whatever the workers and wherever it is entered") {
  TwoSets two;
  const auto set = open_pictures(two.faces + "," + two.records);
  const LoaderOptions options = options_with({2.0, 0.5});
  const Seen whole = read_epoch(*set, options, 1);
  REQUIRE(whole.indices.size() == 19);  // 2 * 7 + 5
  for (std::size_t i = 0; i < whole.indices.size(); ++i)
    REQUIRE(whole.labels[i] == set->label(whole.indices[i]));
  for (const int workers : {0, 1, 5}) {
    LoaderOptions others = options;
    others.workers = workers;
    REQUIRE(read_epoch(*set, others, 1) == whole);
  }
  const Seen tail = read_epoch(*set, options, 1, 3);
  REQUIRE(tail.indices == std::vector<std::int64_t>(whole.indices.begin() + 12, whole.indices.end()));
  REQUIRE(std::equal(tail.pixels.begin(), tail.pixels.end(), whole.pixels.begin() + 12 * 3 * kSide * kSide));
  LoaderOptions dropping = options;
  dropping.drop_last = true;
  REQUIRE(read_epoch(*set, dropping, 1).indices.size() == 16);

  // A picture that is shown twice is shown with two augmentations.
  const std::size_t bytes = 3 * kSide * kSide;
  int differ = 0;
  for (std::size_t i = 0; i < whole.indices.size(); ++i) {
    for (std::size_t j = i + 1; j < whole.indices.size(); ++j) {
      if (whole.indices[i] != whole.indices[j]) continue;
      REQUIRE(whole.indices[i] < 7);
      differ += !std::equal(whole.pixels.begin() + static_cast<std::ptrdiff_t>(i * bytes),
                            whole.pixels.begin() + static_cast<std::ptrdiff_t>((i + 1) * bytes),
                            whole.pixels.begin() + static_cast<std::ptrdiff_t>(j * bytes));
    }
  }
  REQUIRE(differ == 7);
}

TEST_CASE("loader: weights of 1 give the bits of none, and the epoch may be larger than the set") {
  TwoSets two;
  const auto set = open_pictures(two.faces + "," + two.records);
  REQUIRE(read_epoch(*set, options_with({1.0, 1.0}), 0) == read_epoch(*set, options_with({}), 0));
  LoaderOptions options = options_with({3.0, 3.0});
  options.batch_size = 51;
  Loader loader(*set, options);
  REQUIRE(loader.batches_per_epoch() == 1);
  loader.start_epoch(0);
  REQUIRE(loader.next()->size == 51);
  REQUIRE_THROWS_WITH(Loader(*set, options_with({1.0})), test::contains("1 weights for 2 data sets"));
}
