// What a data set holds (`qcface data stats`): mean and deviation of its channels, pictures a class, sizes, pictures that
// cannot be used, and the same picture twice.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "harness/data/sets/picture_source.h"

namespace qcface::convert {

struct StatsOptions {
  int side =
      112;  // channels are those of the pictures as training cuts them: shorter side `side`, centre window
  int threads = 0;  // 0: all cores
};

struct UnusablePicture {
  std::int64_t index = 0;
  std::string reason;
};

/// Pictures with the same bytes, in the order of the set.
struct Duplicates {
  std::vector<std::int64_t> pictures;
  bool across = false;  // of several classes: one of them has a wrong label
};

/// n of something, in ascending order.
struct Spread {
  std::int64_t count = 0, least = 0, most = 0;
  double mean = 0, median = 0;
};

struct SetStats {
  std::int64_t pictures = 0, used = 0;
  std::array<double, 3> mean{},
      std{};  // of R, G, B in [0, 1] over all pixels of all pictures; population deviation
  std::vector<std::int64_t> per_class;                // pictures of each label
  Spread classes;                                     // pictures a class, of the classes that have any
  std::int64_t single = 0;                            // classes with one picture
  std::map<std::pair<int, int>, std::int64_t> sizes;  // width, height as stored, upright
  std::vector<UnusablePicture> unusable;
  std::vector<Duplicates> duplicates;  // by their first picture
};

/// Sums are whole numbers, so nothing depends on threads or order. Memory: 24 bytes a picture.
SetStats collect_stats(const data::PictureSource& set, const StatsOptions& options);

/// Pictures a class in steps that double: {1, 1}, {2, 3}, {4, 7}, ... with the number of classes, up to the largest.
struct Bin {
  std::int64_t low = 0, high = 0, classes = 0;
};
std::vector<Bin> class_histogram(const SetStats& stats);

/// For people, with a bar a bin.
std::string stats_text(const data::PictureSource& set, const SetStats& stats);
/// stats.json, duplicates.csv and classes.svg in `folder`, which change together.
void write_stats(const std::string& folder, const data::PictureSource& set, const SetStats& stats,
                 const StatsOptions& options);

}  // namespace qcface::convert
