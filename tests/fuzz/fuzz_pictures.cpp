#include <array>
#include <cstdint>
#include <vector>

#include "harness/data/decode/decoders.h"
#include "harness/data/image.h"
#include "harness/data/picture_pipeline.h"
#include "harness/data/sets/picture_source.h"
#include "tests/fuzz/target.h"

using namespace qcface;

namespace {

void check(const std::string& reason, bool good) {
  fuzz::expect(reason.empty() == good, "a reason without a failure, or a failure without a reason");
  fuzz::expect(reason.empty() || fuzz::can_be_printed(reason), "a reason that cannot be printed");
}

// Everything new each time: buffers that are kept would hide what reaches beyond them.
void decode(fuzz::Bytes bytes) {
  data::ImageDecoder decoder;
  data::Image image;
  const data::DecodeResult result = decoder.decode(bytes, image);
  check(result.reason, result.ok());
  if (!result.ok()) return;
  fuzz::expect(image.width() > 0 && image.height() > 0 && image.width() <= data::ImageDecoder::kMaxSide &&
                   image.height() <= data::ImageDecoder::kMaxSide &&
                   image.bytes() <= 3 * data::ImageDecoder::kMaxPixels,
               "a picture beyond the limits");
  data::swap_red_blue(image);  // every pixel is there
}

class OnePicture final : public data::PictureSource {
 public:
  explicit OnePicture(fuzz::Bytes bytes) : bytes_(bytes) { label_of_ = {0}; }
  std::string name(std::int64_t) const override { return "input"; }
  std::uint64_t stored_bytes(std::int64_t) const override { return bytes_.size(); }
  data::DecodeResult read(std::int64_t, std::vector<std::uint8_t>&,
                          data::StoredPicture& picture) const override {
    picture.bytes = bytes_;
    return {};
  }

 private:
  fuzz::Bytes bytes_;
};

}  // namespace

// What is of another format is left to the target of that one.
QCFACE_FUZZ_TARGET(jpeg) {
  if (data::has_prefix(bytes, "\xFF\xD8\xFF")) decode(bytes);
}
QCFACE_FUZZ_TARGET(png) {
  if (data::is_png(bytes)) decode(bytes);
}
QCFACE_FUZZ_TARGET(webp) {
  if (data::is_webp(bytes)) decode(bytes);
}
QCFACE_FUZZ_TARGET(tiff) {
  if (data::is_tiff(bytes)) decode(bytes);
}
QCFACE_FUZZ_TARGET(bmp) {
  if (data::is_bmp(bytes)) decode(bytes);
}
QCFACE_FUZZ_TARGET(pnm) {
  if (data::is_pnm(bytes)) decode(bytes);
}

// From the stored picture to a batch, with augmentation; the first byte chooses the draw.
QCFACE_FUZZ_TARGET(pipeline) {
  if (bytes.empty()) return;
  data::LoaderOptions options;
  options.augment = data::AugmentMode::kPublished;
  options.side = 24;
  options.preparation.bgr = (bytes[0] & 1) != 0;
  const OnePicture set(bytes.subspan(1));
  std::vector<std::uint8_t> pixels(3 * 24 * 24);
  data::PicturePipeline pipeline(options);
  const data::PictureOutcome outcome = pipeline.run(set, 0, {.epoch = bytes[0], .entry = 0}, pixels.data());
  fuzz::expect(outcome.reason.empty() || fuzz::can_be_printed(outcome.reason),
               "a reason that cannot be printed");
}
