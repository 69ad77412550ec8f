#include <fmt/format.h>
#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>

#include "harness/data/decode/decoders.h"
#include "harness/data/decode/exif.h"

namespace qcface::data {
namespace {

// libpng reports errors through a function that must not return. Functions between setjmp and the calls into libpng hold
// no object with a destructor, so the jump skips nothing.
struct Reader {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::jmp_buf jump;
  Bytes file;
  std::size_t at = 0;
  char error[160] = "";

  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
};

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  auto* reader = static_cast<Reader*>(png_get_error_ptr(png));
  std::snprintf(reader->error, sizeof reader->error, "%s", message);
  std::longjmp(reader->jump, 1);
}

// Odd colour profiles and the like: the pixels are whole.
void on_warning(png_structp, png_const_charp) {}

void read_bytes(png_structp png, png_bytep to, std::size_t count) {
  auto* reader = static_cast<Reader*>(png_get_io_ptr(png));
  if (count > reader->file.size() - reader->at) png_error(png, "the data ends early");
  std::memcpy(to, reader->file.data() + reader->at, count);
  reader->at += count;
}

bool read_header(Reader& reader, int& passes) {
  if (setjmp(reader.jump) != 0) return false;
  reader.info = png_create_info_struct(reader.png);
  if (reader.info == nullptr) png_error(reader.png, "not enough memory to decode it");
  png_set_read_fn(reader.png, &reader, read_bytes);
  png_set_user_limits(reader.png, ImageDecoder::kMaxSide, ImageDecoder::kMaxSide);
  png_read_info(reader.png, reader.info);
  png_set_expand(reader.png);
  png_set_strip_16(reader.png);
  png_set_strip_alpha(reader.png);
  png_set_gray_to_rgb(reader.png);
  passes = png_set_interlace_handling(reader.png);
  png_read_update_info(reader.png, reader.info);
  return true;
}

bool read_pixels(Reader& reader, int passes, Image& out) {
  if (setjmp(reader.jump) != 0) return false;
  if (png_get_rowbytes(reader.png, reader.info) != static_cast<std::size_t>(out.width()) * Image::kChannels) {
    png_error(reader.png, "rows of an unexpected length");
  }
  for (int pass = 0; pass < passes; ++pass) {
    for (int y = 0; y < out.height(); ++y) png_read_row(reader.png, out.row(y), nullptr);
  }
  png_read_end(reader.png, reader.info);  // checksum of the last pixels, and the end of the file is there
  return true;
}

// libpng takes memory for some chunks by the length that they claim.
bool chunks_are_whole(Bytes file) {
  constexpr std::size_t kSignature = 8, kFrame = 12;  // length and name before the data, a checksum behind
  for (std::size_t at = kSignature; file.size() - at >= kFrame;) {
    const std::size_t length = read_uint(file, at, 4, true);
    if (length > file.size() - at - kFrame) return false;
    if (has_prefix(file, "IEND", at + 4)) return true;
    at += kFrame + length;
  }
  return false;
}

}  // namespace

bool is_png(Bytes file) { return has_prefix(file, "\x89PNG\r\n\x1a\n"); }

DecodeResult decode_png(Bytes file, Image& out, int& orientation) {
  constexpr std::size_t kSizeBegin = 16, kSizeEnd = 24;  // in IHDR, which is always first
  if (file.size() < kSizeEnd || !chunks_are_whole(file))
    return refuse(DecodeStatus::kCorrupt, "PNG: the data ends early");
  DecodeResult result =
      reshape_checked(out, read_uint(file, kSizeBegin, 4, true), read_uint(file, kSizeBegin + 4, 4, true));
  if (!result.ok()) return result;
  Reader reader;
  reader.file = file;
  reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, on_error, on_warning);
  if (reader.png == nullptr) return refuse(DecodeStatus::kTooLarge, "not enough memory to decode it");
  int passes = 1;
  if (!read_header(reader, passes) || !read_pixels(reader, passes, out)) {
    return refuse(DecodeStatus::kCorrupt, fmt::format("PNG: {}", reader.error));
  }
#ifdef PNG_eXIf_SUPPORTED
  png_uint_32 exif_bytes = 0;
  png_bytep exif = nullptr;
  if (png_get_eXIf_1(reader.png, reader.info, &exif_bytes, &exif) != 0) {
    orientation = tiff_orientation({exif, exif_bytes});
  }
#endif
  return result;
}

}  // namespace qcface::data
