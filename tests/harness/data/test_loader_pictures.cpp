// What the loader does with pictures that cannot be used, are not square, or have their colours in another order.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "harness/data/image.h"
#include "harness/data/lists/picture_list.h"
#include "harness/data/loader.h"
#include "harness/data/sets/image_folder.h"
#include "tests/harness/data/loader_support.h"
#include "tests/harness/data/picture_support.h"
#include "tests/support/catch.h"
#include "tests/support/no_threads.h"
#include "tests/support/test_data.h"

using namespace qcface;
using namespace qcface::data;
namespace fs = std::filesystem;
using test::kSide, test::make_set, test::read_epoch, test::Seen, test::small_options;

TEST_CASE("loader: corrupt pictures are replaced, counted and named, and the bits do not depend on workers") {
  const test::TemporaryFolder folder;
  make_set(folder.path(), 300);
  const std::string whole = test::read_text(folder.path() / "id10" / "0.jpg");
  test::write_text(folder.path() / "id10" / "0.jpg", whole.substr(0, whole.size() / 2));
  test::write_text(folder.path() / "id20" / "0.jpg", "no picture");
  test::write_text(folder.path() / "id30" / "0.jpg", "");
  const ImageFolder set = scan_image_folder(folder.path());
  std::vector<Seen> seen;
  for (int workers : {1, 3}) {
    Loader loader(set, small_options(32, workers));
    seen.push_back(read_epoch(loader, 0));
    REQUIRE(seen.back() == seen.front());
    REQUIRE(seen.back().indices.size() == 300);
    REQUIRE(loader.corrupt().size() == 3);
    std::set<std::string> names;
    for (const CorruptPicture& picture : loader.corrupt()) {
      names.insert(test::in_set(set, picture.index));
      REQUIRE(picture.path == set.path(picture.index));
      REQUIRE(!picture.reason.empty());
    }
    REQUIRE(names == std::set<std::string>{"id10/0.jpg", "id20/0.jpg", "id30/0.jpg"});
    read_epoch(loader, 1);
    REQUIRE(loader.corrupt().size() == 3);  // each file once
  }
  for (std::int64_t index : seen[0].indices) {
    const std::string name = test::in_set(set, index);
    REQUIRE((name != "id10/0.jpg" && name != "id20/0.jpg" && name != "id30/0.jpg"));
  }
}

TEST_CASE("loader: more than 1 % corrupt pictures stop the run, naming them") {
  const test::TemporaryFolder folder;
  make_set(folder.path(), 199);
  test::write_text(folder.path() / "id10" / "1.png", "no picture");
  {
    const ImageFolder set = scan_image_folder(folder.path());  // 1 of 199
    Loader loader(set, small_options(16, 2));
    REQUIRE(read_epoch(loader, 0).indices.size() == 199);
  }
  test::write_text(folder.path() / "id11" / "1.jpg", "");
  const ImageFolder set = scan_image_folder(folder.path());  // 2 of 199
  Loader loader(set, small_options(16, 2));
  REQUIRE_THROWS_WITH(read_epoch(loader, 0), test::contains("2 of 199") && test::contains("id10/1.png") &&
                                                 test::contains("id11/1.jpg"));
}

TEST_CASE("loader: a set with nothing readable stops with an error, not a hang") {
  const test::TemporaryFolder folder;
  for (int i = 0; i < 5; ++i) test::write_text(folder.path() / "a" / (std::to_string(i) + ".jpg"), "x");
  const ImageFolder set = scan_image_folder(folder.path());
  for (int workers : {0, 2}) {
    Loader loader(set, small_options(2, workers));
    REQUIRE_THROWS_AS(read_epoch(loader, 0), Error);
  }
}

TEST_CASE("loader: evaluation marks what cannot be read and keeps the order") {
  const test::TemporaryFolder folder;
  make_set(folder.path(), 9);
  test::write_text(folder.path() / "id01" / "1.jpg", "no picture");
  const std::vector<std::string> files = list_pictures(folder.path()).files;
  const ImageFolder set = ImageFolder::from_files(files);
  LoaderOptions options = small_options(4, 2);
  options.shuffle = false;
  options.augment = AugmentMode::kNone;
  options.corrupt = CorruptPolicy::kMark;
  Loader loader(set, options);
  const Seen seen = read_epoch(loader, 0);
  REQUIRE(seen.indices == epoch_order(static_cast<std::int64_t>(files.size()), 0, 0, false));
  const auto bad = static_cast<std::size_t>(
      std::find(files.begin(), files.end(), (folder.path() / "id01" / "1.jpg").string()) - files.begin());
  REQUIRE(bad < files.size());
  const auto bytes = static_cast<std::size_t>(3 * kSide * kSide);
  for (std::size_t i = 0; i < files.size(); ++i) {
    REQUIRE(int{seen.valid[i]} == (i == bad ? 0 : 1));
    const bool zero = std::all_of(seen.pixels.begin() + static_cast<std::ptrdiff_t>(i * bytes),
                                  seen.pixels.begin() + static_cast<std::ptrdiff_t>((i + 1) * bytes),
                                  [](int v) { return v == 0; });
    REQUIRE(zero == (i == bad));
  }
}

TEST_CASE("loader: pictures that are not square are cropped or refused") {
  const test::TemporaryFolder folder;
  make_set(folder.path(), 3);
  write_image((folder.path() / "id00" / "wide.png").string(), test::make_picture(50, kSide, kSide + 10));
  const ImageFolder set = scan_image_folder(folder.path());
  LoaderOptions options = small_options(4, 1);
  options.shuffle = false;
  options.augment = AugmentMode::kNone;
  {
    Loader loader(set, options);
    const Seen seen = read_epoch(loader, 0);
    REQUIRE(loader.stats().centre_cropped == 1);
    const Image wide = test::make_picture(50, kSide, kSide + 10);
    REQUIRE(test::in_set(set, 3) == "id00/wide.png");
    REQUIRE(seen.pixels[3 * 3 * kSide * kSide] == wide.row(0)[3 * 5]);
  }
  options.preparation.non_square = NonSquare::kReject;
  options.corrupt = CorruptPolicy::kMark;
  Loader loader(set, options);
  REQUIRE(read_epoch(loader, 0).valid == std::vector<std::uint8_t>{1, 1, 1, 0});
  REQUIRE_THAT(loader.corrupt().at(0).reason, test::contains("not square"));
}

TEST_CASE("colour check: R > G > B passes, exchanged channels warn, grey is left alone") {
  const test::TemporaryFolder folder;
  make_set(folder.path() / "faces", 12);
  const ImageFolder set = scan_image_folder(folder.path() / "faces");
  const ColourCheck right = check_colour_order(set, false);
  REQUIRE(right.pictures == 12);
  REQUIRE((right.mean[0] > right.mean[1] && right.mean[1] > right.mean[2]));
  REQUIRE(right.warning.empty());
  const ColourCheck swapped = check_colour_order(set, true, 5);
  REQUIRE(swapped.pictures == 5);
  REQUIRE_THAT(swapped.warning, test::contains("--swap-rb"));
  Image grey = test::make_picture(3, kSide, kSide);
  for (std::size_t i = 0; i < grey.bytes(); i += 3) grey.data()[i + 1] = grey.data()[i + 2] = grey.data()[i];
  fs::create_directories(folder.path() / "grey" / "a");
  write_image((folder.path() / "grey" / "a" / "1.png").string(), grey);
  const ColourCheck check = check_colour_order(scan_image_folder(folder.path() / "grey"), false);
  REQUIRE((check.grey && check.warning.empty()));
}

TEST_CASE("swap_rb exchanges red and blue before the augmentation, bgr after it") {
  const test::TemporaryFolder folder;
  make_set(folder.path() / "plain", 4);
  for (int i = 0; i < 4; ++i) {
    Image image = test::make_picture(static_cast<std::uint32_t>(i), kSide, kSide);
    swap_red_blue(image);
    fs::create_directories(folder.path() / "swapped" / "a");
    write_image((folder.path() / "swapped" / "a" / (std::to_string(i) + ".png")).string(), image);
    fs::create_directories(folder.path() / "right" / "a");
    swap_red_blue(image);
    write_image((folder.path() / "right" / "a" / (std::to_string(i) + ".png")).string(), image);
  }
  LoaderOptions options = small_options(4, 1);
  const ImageFolder right = scan_image_folder(folder.path() / "right"),
                    swapped = scan_image_folder(folder.path() / "swapped");
  Loader plain(right, options);
  options.preparation.swap_rb = true;
  Loader exchanged(swapped, options);
  const auto expected = read_epoch(plain, 0);
  REQUIRE(expected == read_epoch(exchanged, 0));

  // bgr comes after the augmentation: the same pixels, each the other way round.
  options.preparation = {.bgr = true};
  Loader other_order(right, options);
  auto turned = read_epoch(other_order, 0);
  REQUIRE(turned.pixels != expected.pixels);
  for (std::size_t i = 0; i < turned.pixels.size(); i += 3) std::swap(turned.pixels[i], turned.pixels[i + 2]);
  REQUIRE(turned == expected);
}

TEST_CASE("orl faces: real grey PGM pictures of 92 x 112 load") {
  const fs::path root = test::real_data("orl_faces");
  if (root.empty()) QCFACE_SKIP(test::kNoOrlFaces);
  const ImageFolder set = scan_image_folder(root);
  REQUIRE(set.size() == 300);
  REQUIRE(set.num_classes() == 30);
  REQUIRE(set.class_names()[1] == "s10");
  LoaderOptions options;
  options.batch_size = 64;
  options.augment = AugmentMode::kPublished;
  Loader loader(set, options);
  REQUIRE(read_epoch(loader, 0).indices.size() == 300);
  REQUIRE(loader.stats().centre_cropped == 300);
  REQUIRE(loader.corrupt().empty());
  REQUIRE(check_colour_order(set, false).grey);
}
