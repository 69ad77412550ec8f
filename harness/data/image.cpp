#include "harness/data/image.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <new>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/open_file.h"
#include "harness/data/decode/decoders.h"
#include "harness/data/decode/exif.h"
#include "harness/data/decode/jpeg.h"

namespace qcface::data {

void Image::reshape(int height, int width) {
  require(height >= 0 && width >= 0, "picture of {} x {} pixels: sizes cannot be negative", width, height);
  height_ = height;
  width_ = width;
  if (bytes() > buffer_.size()) buffer_ = AlignedBuffer<std::uint8_t>(bytes());
}

void Image::swap(Image& other) noexcept {
  std::swap(buffer_, other.buffer_);
  std::swap(height_, other.height_);
  std::swap(width_, other.width_);
}

void Image::copy_from(const Image& other) {
  reshape(other.height(), other.width());
  if (bytes() > 0) std::memcpy(data(), other.data(), bytes());
}

struct ImageDecoder::Impl {
  JpegCodec jpeg;
  Image turned;
  std::vector<std::uint8_t> file;

  DecodeResult decode(std::span<const std::uint8_t> bytes, Image& out);
};

namespace {

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

DecodeResult ImageDecoder::Impl::decode(std::span<const std::uint8_t> bytes, Image& out) {
  if (bytes.empty()) return refuse(DecodeStatus::kEmpty, "empty file");
  int orientation = 1;
  DecodeResult result;
  try {
    if (has_prefix(bytes, "\xFF\xD8\xFF")) {
      result = jpeg.decode(bytes, out, orientation);
    } else if (is_png(bytes)) {
      result = decode_png(bytes, out, orientation);
    } else if (is_webp(bytes)) {
      result = decode_webp(bytes, out, orientation);
    } else if (is_tiff(bytes)) {
      result = decode_tiff(bytes, out, orientation);
    } else if (is_pnm(bytes)) {
      result = decode_pnm(bytes, out);
    } else if (is_bmp(bytes)) {
      result = decode_bmp(bytes, out);
    } else if (const std::string_view foreign = foreign_format(bytes); !foreign.empty()) {
      return refuse(DecodeStatus::kUnknownFormat,
                    fmt::format("{}, which this program does not read: convert it to JPEG or PNG", foreign));
    } else {
      return refuse(DecodeStatus::kUnknownFormat, "not a picture format this program knows");
    }
    if (result.ok()) turn_of_orientation(orientation).apply(out, turned);
  } catch (const std::bad_alloc&) {
    return refuse(DecodeStatus::kTooLarge, "not enough memory to decode it");
  }
  return result;
}

ImageDecoder::ImageDecoder() : impl_(std::make_unique<Impl>()) {}
ImageDecoder::~ImageDecoder() = default;
ImageDecoder::ImageDecoder(ImageDecoder&&) noexcept = default;
ImageDecoder& ImageDecoder::operator=(ImageDecoder&&) noexcept = default;

DecodeResult ImageDecoder::decode(std::span<const std::uint8_t> bytes, Image& out) {
  return impl_->decode(bytes, out);
}

DecodeResult ImageDecoder::decode(const StoredPicture& picture, Image& out) {
  if (picture.height == 0) return decode(picture.bytes, out);
  out.reshape(picture.height, picture.width);
  require(picture.bytes.size() == out.bytes(), "picture of {} x {} pixels: {} bytes, expected {}",
          picture.width, picture.height, picture.bytes.size(), out.bytes());
  std::copy(picture.bytes.begin(), picture.bytes.end(), out.data());
  return {};
}

DecodeResult ImageDecoder::decode_file(const std::string& path, Image& out) {
  std::span<const std::uint8_t> bytes;
  DecodeResult result = read_file(path, impl_->file, bytes);
  return result.ok() ? impl_->decode(bytes, out) : result;
}

DecodeResult ImageDecoder::read_file(const std::string& path, std::vector<std::uint8_t>& buffer,
                                     std::span<const std::uint8_t>& bytes) {
  bytes = {};
  std::string problem;
  const Descriptor file{try_open_regular(path, problem)};
  if (file.fd < 0) return refuse(DecodeStatus::kUnreadable, std::move(problem));
  struct stat status {};
  if (::fstat(file.fd, &status) != 0) return refuse(DecodeStatus::kUnreadable, std::strerror(errno));
  const auto size = static_cast<std::size_t>(status.st_size);
  constexpr std::size_t kMaxFileBytes = std::size_t{1} << 30;
  if (size > kMaxFileBytes) return refuse(DecodeStatus::kTooLarge, "file of more than 1 GiB");
  if (buffer.size() < size) buffer.resize(size);
  std::size_t read = 0;
  while (read < size) {
    const ssize_t got = ::read(file.fd, buffer.data() + read, size - read);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return refuse(DecodeStatus::kUnreadable, std::strerror(errno));
    if (got == 0) break;
    read += static_cast<std::size_t>(got);
  }
  bytes = {buffer.data(), read};
  return {};
}

void swap_red_blue(Image& image) {
  std::uint8_t* const end = image.data() + image.bytes();
  for (std::uint8_t* pixel = image.data(); pixel != end; pixel += 3) std::swap(pixel[0], pixel[2]);
}

std::vector<std::uint8_t> encode_image(const std::string& suffix, const Image& image, int quality) {
  require(image.width() > 0 && image.height() > 0, "cannot encode an empty picture");
  cv::Mat bgr;
  cv::cvtColor(cv::Mat(image.height(), image.width(), CV_8UC3, const_cast<std::uint8_t*>(image.data())), bgr,
               cv::COLOR_RGB2BGR);
  std::vector<std::uint8_t> bytes;
  try {
    require(
        cv::imencode(suffix, bgr, bytes, {cv::IMWRITE_JPEG_QUALITY, quality, cv::IMWRITE_PNG_COMPRESSION, 1}),
        "cannot encode the picture");
  } catch (const cv::Exception& error) {
    fail("cannot encode the picture ({}); use a suffix such as .png or .jpg", error.err);
  }
  return bytes;
}

void write_image(const std::string& path, const Image& image, int quality) {
  std::vector<std::uint8_t> bytes;
  try {
    const std::size_t dot = path.rfind('.');
    bytes = encode_image(dot == std::string::npos ? "" : path.substr(dot), image, quality);
  } catch (const Error& error) {
    fail("{}: {}", path, error.what());
  }
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  file.close();
  require(file.good(), "{}: cannot write the picture ({})", path, std::strerror(errno));
}

}  // namespace qcface::data
