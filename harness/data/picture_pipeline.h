// What happens to one picture on its way into a batch: read, decode, augment, resize, crop. One a thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/data/augment/picture_augmenter.h"
#include "harness/data/image.h"
#include "harness/data/loader.h"
#include "harness/data/resize.h"
#include "harness/data/sets/picture_source.h"

namespace qcface::data {

struct PictureOutcome {
  std::string reason;  // empty when the picture was written; else why it cannot be used
  std::int64_t file_bytes = 0;
  int height = 0, width = 0;  // as it is stored, turned upright
  bool centre_cropped = false;
};

class PicturePipeline {
 public:
  explicit PicturePipeline(const LoaderOptions& options);

  /// Names the stream that a picture's augmentation is drawn from.
  struct Draw {
    std::int64_t epoch = 0;
    std::int64_t entry = 0;  // of EpochPlan::order()
  };
  /// Writes picture `index` of the set to pixels [side, side, 3].
  PictureOutcome run(const PictureSource& set, std::int64_t index, const Draw& draw, std::uint8_t* pixels);
  /// The same of a picture that has been read.
  PictureOutcome prepare(const StoredPicture& stored, const Draw& draw, std::uint8_t* pixels);

 private:
  const LoaderOptions options_;
  ImageDecoder decoder_;
  PictureAugmenter augmenter_;
  Resizer resizer_;
  Image image_, resized_;
  std::vector<std::uint8_t> file_;
};

}  // namespace qcface::data
