#include <fmt/format.h>
#include <tiffio.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "harness/data/decode/decoders.h"
#include "harness/data/decode/exif.h"

namespace qcface::data {
namespace {

// The file in memory and what libtiff has said about it. Of its warnings those mean damage that come while pixels are read
// (libjpeg's, the fax decoder's: some are missing) and those about a tag whose value lies beyond the end of the file. Unknown
// tags are nothing.
struct Source {
  Bytes file;
  std::uint64_t at = 0;
  bool reading_pixels = false, damaged = false;
  char text[200] = "";
};

int note(void* user, const char* format, std::va_list arguments, bool damage) {
  auto* source = static_cast<Source*>(user);
  if (damage && !source->damaged) {
    source->damaged = true;
    std::vsnprintf(source->text, sizeof source->text, format, arguments);
  }
  return 1;  // nothing is printed
}
int on_error(TIFF*, void* user, const char*, const char* format, std::va_list arguments) {
  return note(user, format, arguments, true);
}
int on_warning(TIFF*, void* user, const char*, const char* format, std::va_list arguments) {
  const bool lost_tag = std::string_view(format).starts_with("IO error");
  return note(user, format, arguments, static_cast<Source*>(user)->reading_pixels || lost_tag);
}

tmsize_t read_bytes(thandle_t handle, void* to, tmsize_t count) {
  auto* source = static_cast<Source*>(handle);
  const std::uint64_t left = source->file.size() - std::min<std::uint64_t>(source->at, source->file.size());
  const std::uint64_t taken = std::min(left, static_cast<std::uint64_t>(count));
  if (taken > 0) std::memcpy(to, source->file.data() + source->at, taken);
  source->at += taken;
  return static_cast<tmsize_t>(taken);
}
tmsize_t write_bytes(thandle_t, void*, tmsize_t) { return 0; }
toff_t seek(thandle_t handle, toff_t offset, int whence) {
  auto* source = static_cast<Source*>(handle);
  source->at = whence == SEEK_SET   ? offset
               : whence == SEEK_CUR ? source->at + offset
                                    : source->file.size() + offset;
  return source->at;
}
int close(thandle_t) { return 0; }
toff_t size(thandle_t handle) { return static_cast<Source*>(handle)->file.size(); }

int map(thandle_t handle, void** base, toff_t* length) {
  const Bytes file = static_cast<Source*>(handle)->file;
  *base = const_cast<std::uint8_t*>(file.data());  // only read
  *length = file.size();
  return 1;
}
void unmap(thandle_t, void*, toff_t) {}

struct CloseTiff {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
};
using Tiff = std::unique_ptr<TIFF, CloseTiff>;

Tiff open(Source& source) {
  TIFFOpenOptions* options = TIFFOpenOptionsAlloc();
  if (options == nullptr) return nullptr;
  constexpr tmsize_t kMaxAllocation = tmsize_t{1} << 30;
  TIFFOpenOptionsSetMaxSingleMemAlloc(options, kMaxAllocation);
  TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, &source);
  TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, &source);
  // Mapped, because libtiff 4.5 refuses small uncompressed tiles that it reads through a buffer.
  Tiff tiff(TIFFClientOpenExt("picture", "rM", &source, read_bytes, write_bytes, seek, close, size, map,
                              unmap, options));
  TIFFOpenOptionsFree(options);
  return tiff;
}

std::uint16_t field(TIFF* tiff, std::uint32_t tag, std::uint16_t otherwise) {
  std::uint16_t value = otherwise;
  return TIFFGetFieldDefaulted(tiff, tag, &value) == 1 ? value : otherwise;
}

// Why the picture is of a kind that is not read; empty if it is.
std::string unread_kind(TIFF* tiff) {
  const std::uint16_t format = field(tiff, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_UINT);
  if (format != SAMPLEFORMAT_UINT && format != SAMPLEFORMAT_VOID) {
    return "TIFF of signed, floating-point or complex samples, expected unsigned ones";
  }
  switch (const std::uint16_t photometric = field(tiff, TIFFTAG_PHOTOMETRIC, UINT16_MAX)) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
    case PHOTOMETRIC_RGB:
    case PHOTOMETRIC_PALETTE:
    case PHOTOMETRIC_SEPARATED:
    case PHOTOMETRIC_YCBCR:
      return {};
    case UINT16_MAX:
      return "TIFF that does not say what its samples mean (no photometric interpretation)";
    default:
      return fmt::format("TIFF of photometric interpretation {}, which this program does not read",
                         photometric);
  }
}

// libtiff multiplies colours by an alpha that is declared unassociated, which shows the picture on black. Declared
// unspecified, alpha is carried along beside untouched colours. Returns whether the file's colours are multiplied already.
bool keep_colours(TIFF* tiff) {
  std::uint16_t count = 0;
  const std::uint16_t* kinds = nullptr;
  if (TIFFGetField(tiff, TIFFTAG_EXTRASAMPLES, &count, &kinds) != 1 || count == 0) return false;
  const bool multiplied = kinds[0] == EXTRASAMPLE_ASSOCALPHA;
  if (multiplied) return true;
  std::vector<std::uint16_t> unspecified(count, EXTRASAMPLE_UNSPECIFIED);
  TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, static_cast<int>(count), unspecified.data());
  return false;
}

bool read_raster(TIFF* tiff, Source& source, std::vector<std::uint32_t>& raster, std::uint32_t width,
                 std::uint32_t height) {
  char reason[1024] = "";
  TIFFRGBAImage image;
  if (TIFFRGBAImageOK(tiff, reason) == 0 || TIFFRGBAImageBegin(&image, tiff, 1, reason) == 0) {
    if (!source.damaged) std::snprintf(source.text, sizeof source.text, "%s", reason);
    return false;
  }
  image.req_orientation = image.orientation;  // rows and columns as they are stored
  source.reading_pixels = true;
  const bool whole = TIFFRGBAImageGet(&image, raster.data(), width, height) == 1;
  TIFFRGBAImageEnd(&image);
  return whole;
}

void copy_colours(const std::vector<std::uint32_t>& raster, bool multiplied, Image& out) {
  std::uint8_t* to = out.data();
  for (const std::uint32_t pixel : raster) {
    const std::uint32_t alpha = multiplied ? TIFFGetA(pixel) : 255;
    for (const std::uint32_t colour : {TIFFGetR(pixel), TIFFGetG(pixel), TIFFGetB(pixel)}) {
      *to++ =
          static_cast<std::uint8_t>(alpha == 0 ? colour : std::min(255u, (colour * 255 + alpha / 2) / alpha));
    }
  }
}

DecodeResult damaged(const Source& source) {
  const bool said = source.text[0] != '\0';
  return refuse(DecodeStatus::kCorrupt,
                fmt::format("TIFF: {}", said ? source.text : "the data is damaged or ends early"));
}

}  // namespace

bool is_tiff(Bytes file) {
  using namespace std::string_view_literals;
  for (const std::string_view magic : {"II*\0"sv, "MM\0*"sv, "II+\0"sv, "MM\0+"sv}) {
    if (has_prefix(file, magic)) return true;
  }
  return false;
}

DecodeResult decode_tiff(Bytes file, Image& out, int& orientation) {
  Source source;
  source.file = file;
  const Tiff tiff = open(source);
  std::uint32_t width = 0, height = 0;
  if (tiff == nullptr || TIFFGetField(tiff.get(), TIFFTAG_IMAGEWIDTH, &width) != 1 ||
      TIFFGetField(tiff.get(), TIFFTAG_IMAGELENGTH, &height) != 1) {
    return damaged(source);
  }
  DecodeResult result = reshape_checked(out, width, height);
  if (!result.ok()) return result;
  if (std::string reason = unread_kind(tiff.get()); !reason.empty()) {
    return refuse(DecodeStatus::kUnknownFormat, std::move(reason));
  }
  // Without its palette a palette picture becomes a grey one in libtiff.
  const std::uint32_t photometric = field(tiff.get(), TIFFTAG_PHOTOMETRIC, UINT16_MAX);
  if (source.damaged || tiff_tag(file, TIFFTAG_PHOTOMETRIC).value_or(photometric) != photometric)
    return damaged(source);
  const std::uint16_t turn = field(tiff.get(), TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT);
  orientation = turn >= 1 && turn <= 8 ? turn : 1;
  const bool multiplied = keep_colours(tiff.get());
  std::vector<std::uint32_t> raster(std::size_t{width} * height);
  if (!read_raster(tiff.get(), source, raster, width, height) || source.damaged) return damaged(source);
  copy_colours(raster, multiplied, out);
  return result;
}

}  // namespace qcface::data
