// What happens to one picture on its way into a batch: read, decode, augment, resize, normalise. One a thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/data/augment.h"
#include "harness/data/image.h"
#include "harness/data/loader.h"
#include "harness/data/normalise.h"
#include "harness/data/picture_source.h"
#include "harness/data/resize.h"

namespace qcface::data {

struct PictureOutcome {
  std::string reason;  // empty when the picture was written; else why it cannot be used
  std::int64_t file_bytes = 0;
  bool centre_cropped = false;
};

/// Where a finished picture goes; what is null is not written.
struct PictureTarget {
  float* values = nullptr;         // [3, side, side], normalised
  float* mirrored = nullptr;       // the same with columns reversed
  std::uint8_t* pixels = nullptr;  // [side, side, 3]
};

class PicturePipeline {
 public:
  explicit PicturePipeline(const LoaderOptions& options);

  /// Writes picture `index` of the set.
  PictureOutcome run(const PictureSource& set, std::int64_t index, std::int64_t epoch,
                     const PictureTarget& target);

 private:
  const LoaderOptions options_;
  ImageDecoder decoder_;
  Augmenter augmenter_;
  Resizer resizer_;
  Normaliser normaliser_;
  Image image_, resized_;
  std::vector<std::uint8_t> file_;
};

}  // namespace qcface::data
