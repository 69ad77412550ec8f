// Extraction shared out over ranks, which here are threads.
#include "harness/eval/features/spread.h"

#include <filesystem>
#include <iterator>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "harness/data/sets/image_folder.h"
#include "harness/eval/features/features.h"
#include "tests/harness/eval/fake_embedder.h"
#include "tests/harness/eval/same_embeddings.h"
#include "tests/support/catch.h"
#include "tests/support/thread_ranks.h"

using namespace qcface;
using namespace qcface::eval;

TEST_CASE("spread: every rank has the rows of one process, unreadable pictures named alike") {
  test::PictureFolder pictures(3, 3);
  write_file_atomically(pictures.files[4], "no picture \xff");
  const data::ImageFolder set = data::ImageFolder::from_files(pictures.files);
  ExtractOptions options;
  options.workers = 0;
  for (const FlipFusion flip : {FlipFusion::kNone, FlipFusion::kAverage}) {
    options.flip = flip;
    test::FormulaEmbedder alone(8);
    const Embeddings one = extract_embeddings(alone, set, options);
    REQUIRE(one.corrupt.size() == 1);
    for (const int ranks : {1, 2, 4, 12}) {  // of 9 pictures: some of 12 have none
      INFO(ranks << " ranks");
      std::vector<Embeddings> found(static_cast<std::size_t>(ranks));
      std::vector<std::int64_t> embedded(found.size());
      run_ranks(ranks, [&](Communicator& communicator) {
        test::FormulaEmbedder embedder(8);
        const auto rank = static_cast<std::size_t>(communicator.rank());
        ExtractOptions shared = options;
        shared.ranks = &communicator;
        found[rank] = extract_on_ranks(embedder, set, shared);
        embedded[rank] = embedder.pictures;
      });
      for (std::size_t r = 0; r < found.size(); ++r) {
        test::require_same(found[r], one);
        const std::int64_t share = share_of(set.size(), static_cast<int>(r), ranks).count;
        REQUIRE(embedded[r] == (flip == FlipFusion::kNone ? share : 2 * share));
      }
    }
  }
}

TEST_CASE("spread: what one rank finds wrong all of them throw") {
  const test::PictureFolder pictures(3, 3);
  const data::ImageFolder set = data::ImageFolder::from_files(pictures.files);
  ExtractOptions options;
  options.workers = 0;
  std::vector<std::string> errors(3);
  run_ranks(3, [&](Communicator& communicator) {
    test::FormulaEmbedder embedder(8);
    if (communicator.rank() == 1) embedder.poison = 2;
    ExtractOptions shared = options;
    shared.ranks = &communicator;
    try {
      extract_on_ranks(embedder, set, shared);
    } catch (const Error& error) {
      errors[static_cast<std::size_t>(communicator.rank())] = error.what();
    }
  });
  for (const std::string& error : errors)
    REQUIRE_THAT(error, test::contains("embedding of " + pictures.files[5] + ": value 1 is "));
}

TEST_CASE("spread: the leader alone reads and writes the cache, and every rank has what is in it") {
  test::PictureFolder pictures(3, 3);
  write_file_atomically(pictures.files[4], "no picture");
  const data::ImageFolder set = data::ImageFolder::from_files(pictures.files);
  test::FormulaEmbedder alone(8);
  ExtractOptions options;
  options.workers = 0;
  options.flip = FlipFusion::kAverage;
  const Embeddings one = extract_embeddings(alone, set, options);
  const test::TemporaryFolder cache;
  for (const bool kept : {false, true}) {
    std::vector<Embeddings> found(3);
    std::vector<std::int64_t> embedded(3);
    run_ranks(3, [&](Communicator& communicator) {
      const auto rank = static_cast<std::size_t>(communicator.rank());
      test::FormulaEmbedder embedder(8);
      ExtractOptions shared = options;
      shared.ranks = &communicator;
      found[rank] = NetworkFeatures(embedder, shared, cache.path()).of(set);
      embedded[rank] = embedder.pictures;
    });
    for (std::size_t r = 0; r < 3; ++r) {
      test::require_same(found[r], one);
      REQUIRE(embedded[r] == (kept ? 0 : 6));
    }
  }
  // One part of the cache, by one writer: three files.
  REQUIRE(std::distance(std::filesystem::directory_iterator(cache.path()), {}) == 3);
  // A process of its own takes it too.
  test::FormulaEmbedder embedder(8);
  test::require_same(NetworkFeatures(embedder, options, cache.path()).of(set), one);
  REQUIRE(embedder.pictures == 0);
}
