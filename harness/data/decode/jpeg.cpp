#include "harness/data/decode/jpeg.h"

// jpeglib.h needs these three and does not include them itself.
#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <vector>

#include <jerror.h>
#include <jpeglib.h>

#include "core/error.h"
#include "harness/data/decode/decoders.h"
#include "harness/data/decode/exif.h"

namespace qcface::data {
namespace {

// libjpeg reports fatal errors through a function that must not return. Functions between setjmp and the
// calls into libjpeg hold no object with a destructor, so the jump skips nothing.
struct ErrorState {
  jpeg_error_mgr manager;  // first, so that cinfo->err converts back
  std::jmp_buf jump;
  bool damaged;
  char text[JMSG_LENGTH_MAX];
};

[[noreturn]] void on_error(j_common_ptr cinfo) {
  auto* state = reinterpret_cast<ErrorState*>(cinfo->err);
  state->manager.format_message(cinfo, state->text);
  std::longjmp(state->jump, 1);
}

// Warnings that mean pixels are missing or invented. The others (stray bytes between markers, odd JFIF
// versions, a broken colour profile) leave the picture whole and are common in collected sets.
bool means_damage(int code) {
  switch (code) {
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_JPEG_EOF:
    case JWRN_MUST_RESYNC:
    case JWRN_NOT_SEQUENTIAL:
      return true;
    default:
      return false;
  }
}

void on_message(j_common_ptr cinfo, int level) {
  if (level >= 0) return;
  auto* state = reinterpret_cast<ErrorState*>(cinfo->err);
  ++state->manager.num_warnings;
  if (state->damaged || !means_damage(state->manager.msg_code)) return;
  state->damaged = true;
  state->manager.format_message(cinfo, state->text);
}

void on_output(j_common_ptr) {}

struct Destination {
  jpeg_destination_mgr manager;  // first
  std::uint8_t* begin;
  std::size_t capacity;
};

void begin_output(j_compress_ptr cinfo) {
  auto* destination = reinterpret_cast<Destination*>(cinfo->dest);
  destination->manager.next_output_byte = destination->begin;
  destination->manager.free_in_buffer = destination->capacity;
}
boolean output_full(j_compress_ptr cinfo) {
  ERREXIT(cinfo, JERR_BUFFER_SIZE);
  return FALSE;
}
void end_output(j_compress_ptr) {}

void prepare_errors(ErrorState& state) {
  jpeg_std_error(&state.manager);
  state.manager.error_exit = on_error;
  state.manager.emit_message = on_message;
  state.manager.output_message = on_output;
  state.damaged = false;
  state.text[0] = '\0';
}

constexpr int kRowsAtOnce = 16;  // one row of 4:2:0 blocks

}  // namespace

struct JpegCodec::Impl {
  jpeg_decompress_struct in{};
  jpeg_compress_struct out{};
  ErrorState in_error{};
  ErrorState out_error{};
  Destination destination{};
  std::vector<std::uint8_t> encoded, ink;

  bool encode(const Image& image, int quality, bool swap_rb, std::size_t& bytes);
};

JpegCodec::JpegCodec() : impl_(std::make_unique<Impl>()) {
  prepare_errors(impl_->in_error);
  prepare_errors(impl_->out_error);
  impl_->in.err = &impl_->in_error.manager;
  impl_->out.err = &impl_->out_error.manager;
  if (setjmp(impl_->in_error.jump) != 0) fail("libjpeg: {}", impl_->in_error.text);
  jpeg_create_decompress(&impl_->in);
  jpeg_save_markers(&impl_->in, JPEG_APP0 + 1, 0xFFFF);
  if (setjmp(impl_->out_error.jump) != 0) fail("libjpeg: {}", impl_->out_error.text);
  jpeg_create_compress(&impl_->out);
  impl_->destination.manager.init_destination = begin_output;
  impl_->destination.manager.empty_output_buffer = output_full;
  impl_->destination.manager.term_destination = end_output;
  impl_->out.dest = &impl_->destination.manager;
}

JpegCodec::~JpegCodec() {
  jpeg_destroy_decompress(&impl_->in);
  jpeg_destroy_compress(&impl_->out);
}

namespace {

// Header, then size check, then pixels, in two calls so that `out` can be reshaped (which may throw) outside
// the reach of longjmp. False: error.text says why.
bool read_header(jpeg_decompress_struct& in, ErrorState& error, std::span<const std::uint8_t> bytes) {
  error.damaged = false;
  error.text[0] = '\0';
  if (setjmp(error.jump) != 0) {
    jpeg_abort_decompress(&in);
    return false;
  }
  jpeg_mem_src(&in, bytes.data(), bytes.size());
  jpeg_read_header(&in, TRUE);
  return true;
}

bool has_ink(const jpeg_decompress_struct& in) {
  return in.jpeg_color_space == JCS_CMYK || in.jpeg_color_space == JCS_YCCK;
}

// C, M, Y and K are stored with 0 for full ink.
void convert_ink(const std::uint8_t* cmyk, JDIMENSION width, std::uint8_t* rgb) {
  for (JDIMENSION x = 0; x < width; ++x, cmyk += 4, rgb += 3) {
    for (int c = 0; c < 3; ++c) {
      const int product = cmyk[c] * cmyk[3] + 128;
      rgb[c] = static_cast<std::uint8_t>(((product >> 8) + product) >> 8);  // rounded product / 255
    }
  }
}

// `ink` has room for kRowsAtOnce rows of four bytes a pixel where the file holds CMYK.
bool read_pixels(jpeg_decompress_struct& in, ErrorState& error, bool swap_rb, std::uint8_t* ink, Image& out) {
  if (setjmp(error.jump) != 0) {
    jpeg_abort_decompress(&in);
    return false;
  }
  in.out_color_space = ink != nullptr ? JCS_CMYK : swap_rb ? JCS_EXT_BGR : JCS_RGB;
  jpeg_start_decompress(&in);
  JSAMPROW rows[kRowsAtOnce];
  while (in.output_scanline < in.output_height) {
    const JDIMENSION first = in.output_scanline, left = in.output_height - first;
    const JDIMENSION count = left < kRowsAtOnce ? left : kRowsAtOnce;
    for (JDIMENSION i = 0; i < count; ++i) {
      rows[i] = ink != nullptr ? ink + i * 4 * in.output_width : out.row(static_cast<int>(first + i));
    }
    const JDIMENSION got = jpeg_read_scanlines(&in, rows, count);
    for (JDIMENSION i = 0; ink != nullptr && i < got; ++i) {
      convert_ink(rows[i], in.output_width, out.row(static_cast<int>(first + i)));
    }
  }
  // In a file of several scans a component may have none; libjpeg takes it for grey without a warning.
  for (int c = 0; c < in.num_components; ++c) {
    if (in.comp_info[c].quant_table != nullptr || error.damaged) continue;
    error.damaged = true;
    std::snprintf(error.text, sizeof error.text, "the data of colour component %d is missing", c + 1);
  }
  jpeg_finish_decompress(&in);
  return !error.damaged;
}

}  // namespace

DecodeResult JpegCodec::decode(std::span<const std::uint8_t> bytes, Image& out, int& orientation) {
  auto& in = impl_->in;
  auto& error = impl_->in_error;
  orientation = 1;
  if (!read_header(in, error, bytes)) return refuse(DecodeStatus::kCorrupt, error.text);
  DecodeResult result;
  if (in.jpeg_color_space == JCS_UNKNOWN) {
    result = refuse(DecodeStatus::kUnknownFormat,
                    fmt::format("JPEG of {} colour components, expected 1, 3 or 4", in.num_components));
  } else {
    result = reshape_checked(out, in.image_width, in.image_height);
  }
  if (!result.ok()) {
    jpeg_abort_decompress(&in);
    return result;
  }
  for (jpeg_saved_marker_ptr marker = in.marker_list; marker != nullptr; marker = marker->next) {
    if (marker->marker != JPEG_APP0 + 1) continue;
    orientation = exif_orientation({marker->data, marker->data_length});
    if (orientation != 1) break;
  }
  std::uint8_t* ink = nullptr;
  if (has_ink(in)) {
    impl_->ink.resize(std::size_t{kRowsAtOnce} * 4 * in.image_width);
    ink = impl_->ink.data();
  }
  if (!read_pixels(in, error, false, ink, out)) return refuse(DecodeStatus::kCorrupt, error.text);
  return result;
}

bool JpegCodec::Impl::encode(const Image& image, int quality, bool swap_rb, std::size_t& bytes) {
  if (setjmp(out_error.jump) != 0) {
    jpeg_abort_compress(&out);
    return false;
  }
  out.image_width = static_cast<JDIMENSION>(image.width());
  out.image_height = static_cast<JDIMENSION>(image.height());
  out.input_components = Image::kChannels;
  out.in_color_space = swap_rb ? JCS_EXT_BGR : JCS_RGB;
  jpeg_set_defaults(&out);  // 4:2:0, accurate integer transform
  jpeg_set_quality(&out, quality, TRUE);
  jpeg_start_compress(&out, TRUE);
  JSAMPROW rows[kRowsAtOnce];
  while (out.next_scanline < out.image_height) {
    const JDIMENSION left = out.image_height - out.next_scanline;
    const JDIMENSION count = left < kRowsAtOnce ? left : kRowsAtOnce;
    for (JDIMENSION i = 0; i < count; ++i) {
      rows[i] = const_cast<JSAMPROW>(image.row(static_cast<int>(out.next_scanline + i)));  // only read
    }
    jpeg_write_scanlines(&out, rows, count);
  }
  jpeg_finish_compress(&out);
  bytes = destination.capacity - destination.manager.free_in_buffer;
  return true;
}

std::span<const std::uint8_t> JpegCodec::encode(const Image& image, int quality, bool swap_rb) {
  require(quality >= 1 && quality <= 100, "JPEG quality {}: expected 1 to 100", quality);
  // Incompressible data stays below 4 bytes a pixel of the padded picture at quality 100.
  const auto padded = [](int side) { return static_cast<std::size_t>((side + 15) / 16 * 16); };
  const std::size_t capacity = padded(image.width()) * padded(image.height()) * 4 + 4096;
  if (impl_->encoded.size() < capacity) impl_->encoded.resize(capacity);
  impl_->destination.begin = impl_->encoded.data();
  impl_->destination.capacity = impl_->encoded.size();
  std::size_t bytes = 0;
  if (!impl_->encode(image, quality, swap_rb, bytes)) fail("JPEG encoder: {}", impl_->out_error.text);
  return {impl_->encoded.data(), bytes};
}

void JpegCodec::round_trip(Image& image, int quality, bool swap_rb) {
  const std::span<const std::uint8_t> bytes = encode(image, quality, swap_rb);
  bool good = read_header(impl_->in, impl_->in_error, bytes);
  if (good) good = read_pixels(impl_->in, impl_->in_error, swap_rb, nullptr, image);
  if (!good) fail("JPEG round trip: {}", impl_->in_error.text);
}

}  // namespace qcface::data
