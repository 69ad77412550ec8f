#include "harness/data/loader.h"

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
#include "harness/data/sets/image_folder.h"
#include "tests/harness/data/picture_support.h"
#include "tests/support/catch.h"
#include "tests/support/no_threads.h"
#include "tests/support/test_data.h"

using namespace qcface;
using namespace qcface::data;
namespace fs = std::filesystem;

namespace {

// Identities of 3 pictures each, 24 x 24 so that the tests stay fast; side must match.
constexpr int kSide = 24;

void make_set(const fs::path& root, int pictures) {
  for (int i = 0; i < pictures; ++i) {
    const fs::path folder = root / fmt::format("id{:02d}", i / 3);
    fs::create_directories(folder);
    write_image((folder / fmt::format("{}.{}", i % 3, i % 2 == 0 ? "jpg" : "png")).string(),
                test::make_picture(static_cast<std::uint32_t>(i), kSide, kSide));
  }
}

LoaderOptions small_options(std::int64_t batch_size, int workers) {
  LoaderOptions options;
  options.batch_size = batch_size;
  options.workers = workers;
  options.prefetch = 2;
  options.seed = 42;
  options.side = kSide;
  options.augment = AugmentMode::kPublished;
  return options;
}

struct Seen {
  std::vector<std::uint8_t> pixels;
  std::vector<std::int64_t> labels, indices, sizes;
  std::vector<std::uint8_t> valid;
  bool operator==(const Seen&) const = default;
};

Seen read_epoch(Loader& loader, std::int64_t epoch, std::int64_t first = 0) {
  Seen seen;
  loader.start_epoch(epoch, first);
  const auto bytes = static_cast<std::size_t>(3 * loader.options().side * loader.options().side);
  std::int64_t expected_index = first;
  while (const Batch* batch = loader.next()) {
    REQUIRE(batch->epoch == epoch);
    REQUIRE(batch->index == expected_index++);
    REQUIRE(reinterpret_cast<std::uintptr_t>(batch->pixels) % 64 == 0);
    const auto n = static_cast<std::size_t>(batch->size);
    seen.pixels.insert(seen.pixels.end(), batch->pixels, batch->pixels + n * bytes);
    seen.labels.insert(seen.labels.end(), batch->labels.begin(), batch->labels.end());
    seen.indices.insert(seen.indices.end(), batch->indices.begin(), batch->indices.end());
    seen.valid.insert(seen.valid.end(), batch->valid.begin(), batch->valid.end());
    seen.sizes.push_back(batch->size);
  }
  return seen;
}

// The pictures of a folder, held in memory.
class HeldPictures final : public PictureSource {
 public:
  explicit HeldPictures(const PictureSource& set) : files_(static_cast<std::size_t>(set.size())) {
    class_names_ = set.class_names();
    num_classes_ = set.num_classes();
    for (std::int64_t i = 0; i < set.size(); ++i) {
      StoredPicture stored;
      REQUIRE(set.read(i, files_[static_cast<std::size_t>(i)], stored).ok());
      label_of_.push_back(static_cast<std::int32_t>(set.label(i)));
    }
  }
  void lose(std::int64_t index) { lost_ = index; }
  std::string name(std::int64_t index) const override { return fmt::format("held/{}", index); }
  std::uint64_t stored_bytes(std::int64_t index) const override {
    return files_[static_cast<std::size_t>(index)].size();
  }
  DecodeResult read(std::int64_t index, std::vector<std::uint8_t>&, StoredPicture& picture) const override {
    if (index == lost_) return {DecodeStatus::kUnreadable, "lost"};
    picture = {.bytes = files_[static_cast<std::size_t>(index)]};
    return {};
  }

 private:
  std::vector<std::vector<std::uint8_t>> files_;
  std::int64_t lost_ = -1;
};

ImageFolder scan(const fs::path& root) { return scan_image_folder(root); }

}  // namespace

TEST_CASE("an epoch's order is a permutation that depends on seed and epoch") {
  const auto order = epoch_order(1000, 7, 3, true);
  std::vector<std::int64_t> sorted(order);
  std::sort(sorted.begin(), sorted.end());
  REQUIRE(sorted == epoch_order(1000, 7, 3, false));
  REQUIRE(order != sorted);
  REQUIRE(order == epoch_order(1000, 7, 3, true));
  REQUIRE(order != epoch_order(1000, 7, 4, true));
  REQUIRE(order != epoch_order(1000, 8, 3, true));
  REQUIRE(epoch_order(1, 0, 0, true) == std::vector<std::int64_t>{0});
}

TEST_CASE("loader: the number of workers does not change a bit") {
  const test::TemporaryFolder folder;
  make_set(folder.path(), 29);
  const ImageFolder set = scan(folder.path());
  std::vector<Seen> seen;
  for (int workers : {0, 1, 2, 4, 7}) {
    Loader loader(set, small_options(4, workers));
    REQUIRE(loader.batches_per_epoch() == 8);
    seen.push_back(read_epoch(loader, 0));
    const Seen second = read_epoch(loader, 1);
    REQUIRE(second.indices != seen.back().indices);
    REQUIRE(seen.back().sizes == std::vector<std::int64_t>{4, 4, 4, 4, 4, 4, 4, 1});  // the last batch of one
    REQUIRE(seen.back() == seen.front());
    REQUIRE(read_epoch(loader, 0) == seen.front());  // and an epoch can be read again
  }
  const std::set<std::int64_t> all(seen[0].indices.begin(), seen[0].indices.end());
  REQUIRE(all.size() == 29);
  for (std::size_t i = 0; i < seen[0].indices.size(); ++i)
    REQUIRE(seen[0].labels[i] == set.label(seen[0].indices[i]));
  REQUIRE(std::any_of(seen[0].pixels.begin(), seen[0].pixels.end(), [](int v) { return v != 0; }));
}

TEST_CASE("loader: where the system refuses threads the calling one loads the same bits") {
  const test::TemporaryFolder folder;
  make_set(folder.path(), 11);
  const ImageFolder set = scan(folder.path());
  Seen expected;
  {
    Loader loader(set, small_options(4, 2));
    expected = read_epoch(loader, 0);
  }
  const pid_t child = ::fork();
  if (child == 0) {
    if (!test::refuse_threads()) ::_exit(99);
    Loader loader(set, small_options(4, 8));
    ::_exit(read_epoch(loader, 0) == expected ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) == 0);
}

TEST_CASE("loader: the slices of all ranks together are the batches of one") {
  const test::TemporaryFolder folder;
  make_set(folder.path(), 101);
  test::write_text(folder.path() / "id03" / "0.png",
                   "no picture");  // what stands in for it is drawn by its place
  const ImageFolder set = scan(folder.path());
  const auto picture = static_cast<std::size_t>(3 * kSide * kSide);
  for (const int workers : {0, 3}) {
    for (const std::int64_t batch_size : {20, 33, 100}) {  // last batches of 1, 2 and 1 pictures
      LoaderOptions options = small_options(batch_size, workers);
      for (const int ranks : {1, 2, 3, 4}) {
        INFO(workers << " workers, batches of " << batch_size << ", " << ranks << " ranks");
        Loader whole(set, options);
        std::vector<std::unique_ptr<Loader>> slices;
        for (int rank = 0; rank < ranks; ++rank) {
          LoaderOptions part = options;
          part.slice = {rank, ranks};
          slices.push_back(std::make_unique<Loader>(set, part));
          REQUIRE(slices.back()->batches_per_epoch() == whole.batches_per_epoch());
          slices.back()->start_epoch(2);
        }
        whole.start_epoch(2);
        std::int64_t batches = 0;
        for (; const Batch* all = whole.next(); ++batches) {
          REQUIRE(all->global_size == all->size);
          REQUIRE(all->first_row == 0);
          std::int64_t rows = 0;
          for (int rank = 0; rank < ranks; ++rank) {
            const Batch* part = slices[static_cast<std::size_t>(rank)]->next();
            REQUIRE(part != nullptr);
            REQUIRE((part->epoch == 2 && part->index == batches));
            REQUIRE(part->global_size == all->size);
            REQUIRE(part->first_row == rank * all->size / ranks);
            REQUIRE(part->size == (rank + 1) * all->size / ranks - part->first_row);
            REQUIRE(part->labels.size() == static_cast<std::size_t>(part->size));
            const auto first = static_cast<std::size_t>(part->first_row);
            for (std::size_t i = 0; i < part->labels.size(); ++i) {
              REQUIRE(part->labels[i] == all->labels[first + i]);
              REQUIRE(part->indices[i] == all->indices[first + i]);
              REQUIRE(part->valid[i] == all->valid[first + i]);
            }
            REQUIRE(std::memcmp(part->pixels, all->pixels + first * picture, part->labels.size() * picture) ==
                    0);
            rows += part->size;
          }
          REQUIRE(rows == all->size);
        }
        REQUIRE(batches == whole.batches_per_epoch());
        std::int64_t pictures = 0;
        std::size_t corrupt = 0;
        for (const auto& slice : slices) {
          REQUIRE(slice->next() == nullptr);
          pictures += slice->stats().pictures;
          corrupt += slice->corrupt().size();
        }
        REQUIRE(pictures == 101);
        REQUIRE(corrupt == 1);
      }
    }
  }
}

TEST_CASE("loader: an epoch entered in the middle is the tail of the whole epoch") {
  const test::TemporaryFolder folder;
  make_set(folder.path(), 20);
  const ImageFolder set = scan(folder.path());
  Loader loader(set, small_options(3, 2));
  const Seen whole = read_epoch(loader, 5);
  const auto bytes = static_cast<std::size_t>(3 * kSide * kSide);
  for (std::int64_t first : {1, 4, 6, 7}) {
    const Seen tail = read_epoch(loader, 5, first);
    const auto skip = static_cast<std::size_t>(3 * first);
    REQUIRE(tail.indices.size() + std::min<std::size_t>(skip, 20) == 20);
    if (first == 7) continue;
    REQUIRE(std::equal(tail.indices.begin(), tail.indices.end(),
                       whole.indices.begin() + static_cast<std::ptrdiff_t>(skip)));
    REQUIRE(std::equal(tail.pixels.begin(), tail.pixels.end(),
                       whole.pixels.begin() + static_cast<std::ptrdiff_t>(skip * bytes)));
  }
  // Leaving an epoch half read and entering another.
  loader.start_epoch(1);
  REQUIRE(loader.next() != nullptr);
  REQUIRE(read_epoch(loader, 5) == whole);
  REQUIRE_THROWS_AS(loader.start_epoch(0, 8), Error);
  REQUIRE_THROWS_AS(loader.start_epoch(-1), Error);
}

TEST_CASE("loader: without shuffling and augmentation it is the folder in order") {
  const test::TemporaryFolder folder;
  make_set(folder.path(), 7);
  const ImageFolder set = scan(folder.path());
  LoaderOptions options = small_options(100, 2);  // a batch larger than the set
  options.shuffle = false;
  options.augment = AugmentMode::kNone;
  Loader loader(set, options);
  REQUIRE(loader.batches_per_epoch() == 1);
  const Seen seen = read_epoch(loader, 3);
  REQUIRE(seen.sizes == std::vector<std::int64_t>{7});
  REQUIRE(seen.indices == epoch_order(7, 0, 0, false));
  REQUIRE(std::all_of(seen.valid.begin(), seen.valid.end(), [](std::uint8_t v) { return v == 1; }));
  ImageDecoder decoder;
  Image image;
  for (int i = 0; i < 7; ++i) {
    REQUIRE(decoder.decode_file(set.path(i), image).ok());
    const auto bytes = static_cast<std::ptrdiff_t>(image.bytes());
    REQUIRE(std::equal(image.data(), image.data() + bytes, seen.pixels.begin() + i * bytes));
  }
}

TEST_CASE("loader: pictures of another source than a folder give the same bits, and are named by it") {
  const test::TemporaryFolder folder;
  make_set(folder.path(), 150);
  const ImageFolder set = scan(folder.path());
  HeldPictures held(set);
  LoaderOptions options = small_options(4, 2);
  {
    Loader from_folder(set, options), from_memory(held, options);
    REQUIRE(read_epoch(from_memory, 2) == read_epoch(from_folder, 2));
    REQUIRE(from_memory.stats().file_bytes == from_folder.stats().file_bytes);
  }
  held.lose(5);
  Loader loader(held, options);
  read_epoch(loader, 0);
  REQUIRE(loader.corrupt().size() == 1);
  REQUIRE(loader.corrupt()[0].path == "held/5");
  REQUIRE(loader.corrupt()[0].reason == "lost");
}

TEST_CASE("loader: drop_last leaves out the partial batch") {
  const test::TemporaryFolder folder;
  make_set(folder.path(), 7);
  const ImageFolder set = scan(folder.path());
  LoaderOptions options = small_options(3, 1);
  options.drop_last = true;
  Loader loader(set, options);
  REQUIRE(read_epoch(loader, 0).sizes == std::vector<std::int64_t>{3, 3});
  options.batch_size = 8;
  Loader none(set, options);
  REQUIRE(none.batches_per_epoch() == 0);
  REQUIRE(read_epoch(none, 0).sizes.empty());
}

TEST_CASE("loader: corrupt pictures are replaced, counted and named, and the bits do not depend on workers") {
  const test::TemporaryFolder folder;
  make_set(folder.path(), 300);
  const std::string whole = test::read_text(folder.path() / "id10" / "0.jpg");
  test::write_text(folder.path() / "id10" / "0.jpg", whole.substr(0, whole.size() / 2));
  test::write_text(folder.path() / "id20" / "0.jpg", "no picture");
  test::write_text(folder.path() / "id30" / "0.jpg", "");
  const ImageFolder set = scan(folder.path());
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
    const ImageFolder set = scan(folder.path());  // 1 of 199
    Loader loader(set, small_options(16, 2));
    REQUIRE(read_epoch(loader, 0).indices.size() == 199);
  }
  test::write_text(folder.path() / "id11" / "1.jpg", "");
  const ImageFolder set = scan(folder.path());  // 2 of 199
  Loader loader(set, small_options(16, 2));
  REQUIRE_THROWS_WITH(read_epoch(loader, 0), test::contains("2 of 199") && test::contains("id10/1.png") &&
                                                 test::contains("id11/1.jpg"));
}

TEST_CASE("loader: a set with nothing readable stops with an error, not a hang") {
  const test::TemporaryFolder folder;
  for (int i = 0; i < 5; ++i) test::write_text(folder.path() / "a" / (std::to_string(i) + ".jpg"), "x");
  const ImageFolder set = scan(folder.path());
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
  const ImageFolder set = scan(folder.path());
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

TEST_CASE("loader: stopping at any time is clean") {
  const test::TemporaryFolder folder;
  make_set(folder.path(), 60);
  const ImageFolder set = scan(folder.path());
  for (int taken : {-1, 0, 1, 3}) {
    for (int pause_us : {0, 300, 3000}) {
      Loader loader(set, small_options(5, 3));
      if (taken >= 0) loader.start_epoch(0);
      for (int i = 0; i < taken; ++i) REQUIRE(loader.next() != nullptr);
      std::this_thread::sleep_for(std::chrono::microseconds(pause_us));
    }
  }
}

TEST_CASE("loader: options out of range and misuse are named") {
  const test::TemporaryFolder folder;
  make_set(folder.path(), 3);
  const ImageFolder set = scan(folder.path());
  REQUIRE_THROWS_WITH(Loader(ImageFolder{}, small_options(1, 1)), test::contains("no pictures"));
  REQUIRE_THROWS_WITH(Loader(set, small_options(0, 1)), test::contains("batch size 0"));
  REQUIRE_THROWS_WITH(Loader(set, small_options(1, -1)), test::contains("workers -1"));
  LoaderOptions options = small_options(1, 1);
  options.slice = {2, 2};
  REQUIRE_THROWS_WITH(Loader(set, options), test::contains("rank 2 of 2"));
  Loader loader(set, small_options(1, 1));
  REQUIRE_THROWS_WITH(loader.next(), test::contains("start_epoch"));
}

TEST_CASE("colour check: R > G > B passes, exchanged channels warn, grey is left alone") {
  const test::TemporaryFolder folder;
  make_set(folder.path() / "faces", 12);
  const ImageFolder set = scan(folder.path() / "faces");
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
  const ColourCheck check = check_colour_order(scan(folder.path() / "grey"), false);
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
  const ImageFolder right = scan(folder.path() / "right"), swapped = scan(folder.path() / "swapped");
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
  const ImageFolder set = scan(root);
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
