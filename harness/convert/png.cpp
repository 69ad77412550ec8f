#include "harness/convert/png.h"

#include <png.h>

#include "core/error.h"

namespace qcface::convert {

void encode_png(const data::Image& image, std::vector<std::uint8_t>& file) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(image.width());
  png.height = static_cast<png_uint_32>(image.height());
  png.format = PNG_FORMAT_RGB;
  png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(png);
  file.resize(bytes);
  const int done = png_image_write_to_memory(&png, file.data(), &bytes, 0, image.data(), 0, nullptr);
  require(done != 0, "a picture of {} x {} pixels cannot be encoded as PNG: {}", image.width(),
          image.height(), png.message);
  file.resize(bytes);
}

}  // namespace qcface::convert
