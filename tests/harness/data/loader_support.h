// Sets of small pictures, and what a loader makes of them.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "harness/data/image.h"
#include "harness/data/loader.h"
#include "harness/data/sets/image_folder.h"
#include "tests/harness/data/picture_support.h"
#include "tests/support/catch.h"

namespace qcface::test {

// Identities of 3 pictures each, 24 x 24 so that the tests stay fast; side must match.
inline constexpr int kSide = 24;

inline void make_set(const std::filesystem::path& root, int pictures) {
  for (int i = 0; i < pictures; ++i) {
    const std::filesystem::path folder = root / fmt::format("id{:02d}", i / 3);
    std::filesystem::create_directories(folder);
    data::write_image((folder / fmt::format("{}.{}", i % 3, i % 2 == 0 ? "jpg" : "png")).string(),
                      make_picture(static_cast<std::uint32_t>(i), kSide, kSide));
  }
}

inline data::LoaderOptions small_options(std::int64_t batch_size, int workers) {
  data::LoaderOptions options;
  options.batch_size = batch_size;
  options.workers = workers;
  options.prefetch = 2;
  options.seed = 42;
  options.side = kSide;
  options.augment = data::AugmentMode::kPublished;
  return options;
}

struct Seen {
  std::vector<std::uint8_t> pixels;
  std::vector<std::int64_t> labels, indices, sizes;
  std::vector<std::uint8_t> valid;
  bool operator==(const Seen&) const = default;
};

inline Seen read_epoch(data::Loader& loader, std::int64_t epoch, std::int64_t first = 0) {
  Seen seen;
  loader.start_epoch(epoch, first);
  const auto bytes = static_cast<std::size_t>(3 * loader.options().side * loader.options().side);
  std::int64_t expected_index = first;
  while (const data::Batch* batch = loader.next()) {
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

}  // namespace qcface::test
