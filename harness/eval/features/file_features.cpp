#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/checksum.h"
#include "core/error.h"
#include "core/text.h"
#include "harness/console/interrupt.h"
#include "harness/eval/features/features.h"

namespace qcface::eval {
namespace {

constexpr std::int64_t kWidest = 1 << 16;
constexpr std::int64_t kAtOnce = 4096;  // rows between two looks for a signal

}  // namespace

FileFeatures::FileFeatures(const std::filesystem::path& features, const std::filesystem::path& names,
                           std::optional<FlipFusion> flip, FlipFusion usual)
    : path_(features.string()), rows_(read_npy(features)), names_(names) {
  const std::size_t dimensions = rows_.shape.size();
  require(rows_.dtype == "<f4" &&
              (dimensions == 2 || (dimensions == 3 && (rows_.shape[1] == 1 || rows_.shape[1] == 2))),
          "{}: expected float32 of shape [n, D], or [n, 2, D] with mirror images, found {} of {} dimensions",
          path_, rows_.dtype, dimensions);
  width_ = rows_.shape.back();
  require(width_ >= 1 && width_ <= kWidest, "{}: embeddings {} wide, expected 1 to {}", path_, width_,
          kWidest);
  mirrored_ = dimensions == 3 && rows_.shape[1] == 2;
  require(static_cast<std::int64_t>(names_.size()) == rows_.shape[0],
          "{}: {} rows, but {} has {} names: each row needs its picture's name", path_, rows_.shape[0],
          names_.what(), names_.size());
  options_.flip = flip.value_or(mirrored_ ? usual : FlipFusion::kNone);
  require(options_.flip == FlipFusion::kNone || mirrored_,
          "{}: --flip {} needs the embeddings of the mirror images too (shape [n, 2, D]); choose --flip none",
          path_, name_of(options_.flip));
}

std::string FileFeatures::model() const {
  return fmt::format("{:016x}", checksum(rows_.data.data(), rows_.data.size()));
}

Embeddings FileFeatures::embed(const data::PictureSource& pictures) {
  const auto start = std::chrono::steady_clock::now();
  const std::size_t width = static_cast<std::size_t>(width_), columns = mirrored_ ? 2 * width : width;
  Embeddings result;
  result.count = pictures.size();
  result.width = width_;
  result.flip = options_.flip;
  const std::size_t count = static_cast<std::size_t>(result.count);
  require(count > 0, "{}: no picture was asked for", path_);
  result.plain.resize(count * width);
  if (result.flip != FlipFusion::kNone) result.mirrored.resize(count * width);
  result.valid.assign(count, 1);

  std::vector<std::int64_t> picture_of(names_.size(), -1);
  for (std::int64_t i = 0; i < result.count; ++i) {
    if (i % kAtOnce == 0) stop_if_interrupted();
    const std::string name = pictures.name(i);
    const auto row = names_.find(name);
    require(row.has_value(), "{}: no embedding of {} among the {} of {}", path_, printable(name, 300),
            names_.size(), names_.what());
    std::int64_t& first = picture_of[*row];
    if (first < 0) first = i;
    require(first == i || pictures.name(first) == name,
            "{}: name {} ({}) would stand for {} and {}: give names with their folders", names_.what(),
            *row + 1, printable(names_[*row], 300), printable(pictures.name(first), 300),
            printable(name, 300));
    const std::byte* values = rows_.data.data() + *row * columns * sizeof(float);
    float* plain = result.plain.data() + static_cast<std::size_t>(i) * width;
    std::memcpy(plain, values, width * sizeof(float));
    bool finite = std::all_of(plain, plain + width, [](float v) { return std::isfinite(v); });
    if (!result.mirrored.empty()) {
      float* mirrored = result.mirrored.data() + static_cast<std::size_t>(i) * width;
      std::memcpy(mirrored, values + width * sizeof(float), width * sizeof(float));
      finite = finite && std::all_of(mirrored, mirrored + width, [](float v) { return std::isfinite(v); });
    }
    require(finite, "{}: row {} ({}) holds NaN or infinity", path_, *row, printable(names_[*row], 300));
  }
  fuse_rows(result);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace qcface::eval
