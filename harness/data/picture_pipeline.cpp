#include "harness/data/picture_pipeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace qcface::data {
namespace {
constexpr int kMaxAspect = 16;
}

PicturePipeline::PicturePipeline(const LoaderOptions& options)
    : options_(options), augmenter_(options.augment, options.seed, options.jpeg_swap_rb) {}

PictureOutcome PicturePipeline::run(const PictureSource& set, std::int64_t index, const Draw& draw,
                                    std::uint8_t* pixels) {
  StoredPicture stored;
  DecodeResult result = set.read(index, file_, stored);
  if (result.ok()) return prepare(stored, draw, pixels);
  PictureOutcome outcome;
  outcome.reason = std::move(result.reason);
  return outcome;
}

PictureOutcome PicturePipeline::prepare(const StoredPicture& stored, const Draw& draw, std::uint8_t* pixels) {
  PictureOutcome outcome;
  outcome.file_bytes = static_cast<std::int64_t>(stored.bytes.size());
  const std::size_t size =
      3 * static_cast<std::size_t>(options_.side) * static_cast<std::size_t>(options_.side);
  // Pixels of the right size that nothing is done to: one copy, at the speed of memory.
  const bool untouched = stored.height == options_.side && stored.width == options_.side &&
                         stored.bytes.size() == size && options_.augment.mode == AugmentMode::kNone;
  if (untouched && !options_.preparation.swap_rb && !options_.preparation.bgr) {
    outcome.height = outcome.width = options_.side;
    std::copy(stored.bytes.begin(), stored.bytes.end(), pixels);
    return outcome;
  }
  DecodeResult decoded = decoder_.decode(stored, image_);
  if (!decoded.ok()) {
    outcome.reason = std::move(decoded.reason);
    return outcome;
  }
  outcome.height = image_.height();
  outcome.width = image_.width();
  if (image_.width() != image_.height()) {
    if (options_.preparation.non_square == NonSquare::kReject) {
      outcome.reason = fmt::format("{} x {} pixels is not square", image_.width(), image_.height());
      return outcome;
    }
    // A sliver would blow up to a huge strip before the crop.
    if (std::max(image_.width(), image_.height()) > kMaxAspect * std::min(image_.width(), image_.height())) {
      outcome.reason = fmt::format("{} x {} pixels is too narrow", image_.width(), image_.height());
      return outcome;
    }
    outcome.centre_cropped = true;
  }
  // The colours are put right before the augmentation, whose CLAHE and JPEG steps tell red from blue.
  if (options_.preparation.swap_rb) swap_red_blue(image_);
  augmenter_.apply(static_cast<std::uint32_t>(draw.epoch), static_cast<std::uint64_t>(draw.entry), image_);
  const Image& ready = resizer_.resize_shorter_side(image_, options_.side, resized_);
  const int y0 = (ready.height() - options_.side) / 2;
  const int x0 = (ready.width() - options_.side) / 2;
  const std::size_t row = 3 * static_cast<std::size_t>(options_.side);
  for (int y = 0; y < options_.side; ++y) {
    const std::uint8_t* const from = ready.row(y0 + y) + 3 * x0;
    std::copy(from, from + row, pixels + static_cast<std::size_t>(y) * row);
  }
  if (options_.preparation.bgr) {
    for (std::size_t i = 0; i < row * static_cast<std::size_t>(options_.side); i += 3)
      std::swap(pixels[i], pixels[i + 2]);
  }
  return outcome;
}

}  // namespace qcface::data
