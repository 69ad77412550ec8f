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
#include "tests/harness/data/loader_support.h"
#include "tests/harness/data/picture_support.h"
#include "tests/support/catch.h"
#include "tests/support/no_threads.h"
#include "tests/support/test_data.h"

using namespace qcface;
using namespace qcface::data;
namespace fs = std::filesystem;
using test::kSide, test::make_set, test::read_epoch, test::Seen, test::small_options;

namespace {

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
  const ImageFolder set = scan_image_folder(folder.path());
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
  const ImageFolder set = scan_image_folder(folder.path());
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
  const ImageFolder set = scan_image_folder(folder.path());
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
  const ImageFolder set = scan_image_folder(folder.path());
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
  const ImageFolder set = scan_image_folder(folder.path());
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
  const ImageFolder set = scan_image_folder(folder.path());
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
  const ImageFolder set = scan_image_folder(folder.path());
  LoaderOptions options = small_options(3, 1);
  options.drop_last = true;
  Loader loader(set, options);
  REQUIRE(read_epoch(loader, 0).sizes == std::vector<std::int64_t>{3, 3});
  options.batch_size = 8;
  Loader none(set, options);
  REQUIRE(none.batches_per_epoch() == 0);
  REQUIRE(read_epoch(none, 0).sizes.empty());
}

TEST_CASE("loader: stopping at any time is clean") {
  const test::TemporaryFolder folder;
  make_set(folder.path(), 60);
  const ImageFolder set = scan_image_folder(folder.path());
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
  const ImageFolder set = scan_image_folder(folder.path());
  REQUIRE_THROWS_WITH(Loader(ImageFolder{}, small_options(1, 1)), test::contains("no pictures"));
  REQUIRE_THROWS_WITH(Loader(set, small_options(0, 1)), test::contains("batch size 0"));
  REQUIRE_THROWS_WITH(Loader(set, small_options(1, -1)), test::contains("workers -1"));
  LoaderOptions options = small_options(1, 1);
  options.slice = {2, 2};
  REQUIRE_THROWS_WITH(Loader(set, options), test::contains("rank 2 of 2"));
  Loader loader(set, small_options(1, 1));
  REQUIRE_THROWS_WITH(loader.next(), test::contains("start_epoch"));
}
