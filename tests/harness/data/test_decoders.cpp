// Every kind of picture file that is accepted: agreement with Pillow, and what becomes of cut and damaged ones.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <jpeglib.h>  // needs cstdio and cstddef

#include "harness/data/image.h"
#include "tests/harness/data/picture_support.h"
#include "tests/support/catch.h"

using namespace qcface;
using namespace qcface::data;
using qcface::test::difference;

namespace {

using FileBytes = std::vector<std::uint8_t>;

struct PillowPicture {
  const char* name;
  const char* file;  // hexadecimal
  int width, height;
  const char* pixels;
};
const PillowPicture kPictures[] = {
#include "tests/harness/data/pillow_pictures.inc"
};

FileBytes from_hex(std::string_view text) {
  FileBytes bytes;
  for (std::size_t i = 0; i < text.size(); i += 2)
    bytes.push_back(static_cast<std::uint8_t>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  return bytes;
}

FileBytes file_of(std::string_view name) {
  for (const PillowPicture& picture : kPictures) {
    if (name == picture.name) return from_hex(picture.file);
  }
  FAIL("no picture " << name);
  return {};
}

Image pixels_of(const PillowPicture& picture) {
  Image image;
  image.reshape(picture.height, picture.width);
  const FileBytes bytes = from_hex(picture.pixels);
  REQUIRE(bytes.size() == image.bytes());
  std::copy(bytes.begin(), bytes.end(), image.data());
  return image;
}

FileBytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

void append(FileBytes& bytes, const FileBytes& more) { bytes.insert(bytes.end(), more.begin(), more.end()); }

// An 8-bit bitmap of two colours (black, white), 4 x 2, with this compression and data.
FileBytes bitmap(std::uint8_t compression, const FileBytes& data) {
  FileBytes file(54, 0);
  file[0] = 'B';
  file[1] = 'M';
  file[10] = 62;
  file[14] = 40;
  file[18] = 4;
  file[22] = 2;
  file[26] = 1;
  file[28] = 8;
  file[30] = compression;
  file[46] = 2;
  append(file, {0, 0, 0, 0, 255, 255, 255, 0});
  append(file, data);
  return file;
}

std::string shades(const Image& image) {
  std::string text;
  for (std::size_t i = 0; i < image.bytes(); i += 3) text += image.data()[i] == 255 ? '1' : '0';
  return text;
}

// What is written to standard error meanwhile, by whatever library.
class StandardError {
 public:
  StandardError() {
    std::fflush(stderr);
    ::dup2(::fileno(file_), STDERR_FILENO);
  }
  ~StandardError() {
    restore();
    std::fclose(file_);
    ::close(saved_);
  }
  std::string text() {
    restore();
    std::string text(4096, '\0');
    text.resize(static_cast<std::size_t>(
        std::max<ssize_t>(::pread(::fileno(file_), text.data(), text.size(), 0), 0)));
    return text;
  }

 private:
  void restore() {
    std::fflush(stderr);
    ::dup2(saved_, STDERR_FILENO);
  }
  int saved_ = ::dup(STDERR_FILENO);
  std::FILE* file_ = std::tmpfile();
};

}  // namespace

TEST_CASE("every kind of picture is read as Pillow reads it") {
  ImageDecoder decoder;
  Image got;
  for (const PillowPicture& picture : kPictures) {
    const DecodeResult result = decoder.decode(from_hex(picture.file), got);
    INFO(picture.name << ": " << result.reason);
    REQUIRE(result.ok());
    REQUIRE(got.width() == picture.width);
    REQUIRE(got.height() == picture.height);
    REQUIRE(difference(got, pixels_of(picture)).largest <= 2);  // of 255: below 1 %
  }
}

TEST_CASE("no picture that is cut anywhere is good, and no library prints") {
  ImageDecoder decoder;
  Image got;
  StandardError standard_error;
  std::string wrong;
  for (const PillowPicture& picture : kPictures) {
    const FileBytes whole = from_hex(picture.file);
    const Image pixels = pixels_of(picture);
    for (std::size_t keep = 1; keep < whole.size(); ++keep) {
      const FileBytes cut(whole.begin(),
                          whole.begin() + static_cast<std::ptrdiff_t>(keep));  // exact size for sanitizers
      const DecodeResult result = decoder.decode(cut, got);
      // What follows the pixels of a TIFF may be of no use to us; a plain bitmap's last line feed is none.
      const bool harmless = result.ok() && difference(got, pixels).largest <= 2;
      const std::string_view name = picture.name;
      if (harmless && (name.ends_with(".tif") || name == "plain.pbm")) continue;
      if (result.ok() || result.reason.empty())
        wrong += fmt::format("{} cut to {} of {}\n", picture.name, keep, whole.size());
    }
  }
  const std::string printed = standard_error.text();
  REQUIRE(wrong == "");
  REQUIRE(printed == "");
}

TEST_CASE("changed bytes never crash or print, and are found where the format has a checksum") {
  ImageDecoder decoder;
  Image got;
  StandardError standard_error;
  std::string wrong;
  for (const PillowPicture& picture : kPictures) {
    const FileBytes whole = from_hex(picture.file);
    const Image pixels = pixels_of(picture);
    for (std::size_t at = 0; at < whole.size(); ++at) {
      FileBytes changed = whole;
      changed[at] ^= 0x41;
      const DecodeResult result = decoder.decode(changed, got);
      if (!result.ok() && result.reason.empty())
        wrong += fmt::format("{} byte {}: no reason\n", picture.name, at);
      const bool png = std::string_view(picture.name).ends_with(".png");
      if (png && result.ok() && difference(got, pixels).largest > 2 &&
          !std::string_view(picture.name).starts_with("turned"))
        wrong += fmt::format("{} byte {}: other pixels\n", picture.name, at);
    }
  }
  const std::string printed = standard_error.text();
  REQUIRE(wrong == "");
  REQUIRE(printed == "");
}

TEST_CASE("what cannot be read as it looks is refused by name") {
  ImageDecoder decoder;
  Image got;
  const auto refuse = [&](const FileBytes& file, DecodeStatus status, const std::string& part) {
    const DecodeResult result = decoder.decode(file, got);
    INFO(part << ": " << result.reason);
    REQUIRE(result.status == status);
    REQUIRE_THAT(result.reason, test::contains(part));
  };
  for (const auto& [magic, name] :
       {std::pair{"GIF89a......", "GIF"}, {"\x01\x01\x01 ftypheic", "HEIC"}, {"P7\nWIDTH 1", "PAM"}})
    refuse(bytes_of(magic), DecodeStatus::kUnknownFormat, name);

  cv::Mat real(4, 4, CV_32FC1, cv::Scalar(0.5));
  FileBytes tiff;
  REQUIRE(cv::imencode(".tiff", real, tiff));
  refuse(tiff, DecodeStatus::kUnknownFormat, "floating-point");
  FileBytes tiff_of_labels = file_of("planar.tif");
  for (std::size_t i = 8; i + 12 < tiff_of_labels.size(); ++i) {
    if (tiff_of_labels[i] == 0x06 && tiff_of_labels[i + 1] == 0x01 && tiff_of_labels[i + 2] == 3) {
      tiff_of_labels[i + 8] = 8;  // photometric interpretation: CIE Lab
      break;
    }
  }
  refuse(tiff_of_labels, DecodeStatus::kUnknownFormat, "photometric interpretation 8");

  refuse(bytes_of("P5 2 1 0\n\1\1"), DecodeStatus::kCorrupt, "maximum of 0");
  refuse(bytes_of("P5 2 1 15\n\1\20"), DecodeStatus::kCorrupt, "16 is above the maximum 15");
  refuse(bytes_of("P5 0 1 15\n"), DecodeStatus::kCorrupt, "without pixels");
  refuse(bitmap(4, {0, 0, 0, 0, 0, 0, 0, 0}), DecodeStatus::kUnknownFormat, "compression 4");

  // The same WebP with the mark of an animation.
  FileBytes animated = file_of("turned6.webp");
  REQUIRE(std::memcmp(animated.data() + 12, "VP8X", 4) == 0);
  animated[20] |= 2;
  refuse(animated, DecodeStatus::kUnknownFormat, "animated");
}

TEST_CASE("bitmaps: palettes, run lengths, rows that run downwards") {
  ImageDecoder decoder;
  Image got;
  const auto good = [&](const FileBytes& file) {
    const DecodeResult result = decoder.decode(file, got);
    INFO(result.reason);
    REQUIRE(result.ok());
    return shades(got);
  };
  const auto bad = [&](const FileBytes& file) { return decoder.decode(file, got).reason; };
  REQUIRE(good(bitmap(0, {1, 0, 0, 1, 0, 1, 1, 0})) == "01101001");
  FileBytes downwards = bitmap(0, {1, 0, 0, 1, 0, 1, 1, 0});
  for (int i = 22; i < 26; ++i) downwards[static_cast<std::size_t>(i)] = i == 22 ? 0xFE : 0xFF;  // height -2
  REQUIRE(good(downwards) == "10010110");
  REQUIRE_THAT(bad(bitmap(0, {1, 0, 0, 1, 0, 1, 2, 0})), test::contains("outside the palette"));
  // A run of three, one literal stretch, end of line, end of picture.
  const FileBytes runs{3, 1, 1, 0, 0, 0, 0, 4, 0, 1, 1, 0, 0, 1};
  REQUIRE(good(bitmap(1, runs)) == "01101110");
  REQUIRE_THAT(bad(bitmap(1, {3, 1, 0, 0, 4, 0, 0, 1})), test::contains("leaves pixels out"));
  REQUIRE_THAT(bad(bitmap(1, {3, 1, 1, 0, 0, 2, 0, 1, 4, 0, 0, 1})), test::contains("leaves pixels out"));
  REQUIRE_THAT(bad(bitmap(1, {9, 1, 0, 0, 4, 0, 0, 1})), test::contains("beyond the picture"));
  REQUIRE_THAT(bad(bitmap(1, {4, 1, 0, 0, 4, 0})), test::contains("ends early"));
  FileBytes nibbles = bitmap(2, {4, 0x10, 0, 0, 0, 4, 0x01, 0x10, 0, 1});
  nibbles[28] = 4;
  REQUIRE(good(nibbles) == "01101010");
  FileBytes fields = bitmap(3, {});  // 16 bits a pixel, 5 6 5
  fields[28] = 16;
  fields[18] = 1;
  fields[22] = 1;
  fields[46] = 0;
  fields.resize(54);
  append(fields, {0x00, 0xF8, 0, 0, 0xE0, 0x07, 0, 0, 0x1F, 0, 0, 0, 0xF0, 0xFF, 0, 0});
  fields[10] = 66;
  REQUIRE(decoder.decode(fields, got).ok());
  REQUIRE((got.data()[0] == 255 && got.data()[1] == 255 && got.data()[2] == 132));  // 16 of 31
}

TEST_CASE("a JPEG whose scans leave out a colour is damaged") {
  const Image picture = test::make_picture(8, 32, 32);
  jpeg_compress_struct out{};
  jpeg_error_mgr errors{};
  out.err = jpeg_std_error(&errors);
  jpeg_create_compress(&out);
  unsigned char* memory = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&out, &memory, &size);
  out.image_width = out.image_height = 32;
  out.input_components = 3;
  out.in_color_space = JCS_RGB;
  jpeg_set_defaults(&out);
  const jpeg_scan_info scans[3] = {{1, {0}, 0, 63, 0, 0}, {1, {1}, 0, 63, 0, 0}, {1, {2}, 0, 63, 0, 0}};
  out.scan_info = scans;
  out.num_scans = 3;
  jpeg_start_compress(&out, TRUE);
  for (int y = 0; y < 32; ++y) {
    JSAMPROW row = const_cast<JSAMPROW>(picture.row(y));
    jpeg_write_scanlines(&out, &row, 1);
  }
  jpeg_finish_compress(&out);
  const FileBytes whole(memory, memory + size);
  jpeg_destroy_compress(&out);
  std::free(memory);

  ImageDecoder decoder;
  Image got;
  REQUIRE(decoder.decode(whole, got).ok());
  const FileBytes scan_mark{0xFF, 0xDA};
  for (auto scan = std::search(whole.begin(), whole.end(), scan_mark.begin(), scan_mark.end());
       scan != whole.end(); scan = std::search(scan + 1, whole.end(), scan_mark.begin(), scan_mark.end())) {
    FileBytes mended(whole.begin(), scan);  // as a tool does that puts an end marker on what it has
    append(mended, {0xFF, 0xD9});
    REQUIRE(decoder.decode(mended, got).status == DecodeStatus::kCorrupt);
  }
}

TEST_CASE("only regular files are opened") {
  const test::TemporaryFolder folder;
  ImageDecoder decoder;
  Image got;
  const std::string pipe = folder / "pipe.jpg", socket_name = folder / "socket.jpg";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  REQUIRE(socket_name.size() < sizeof address.sun_path);
  std::memcpy(address.sun_path, socket_name.c_str(), socket_name.size());
  REQUIRE(::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  for (const auto& [path, kind] :
       {std::pair{pipe, "a named pipe"}, {socket_name, "a socket"}, {std::string("/dev/zero"), "a device"}}) {
    const DecodeResult result = decoder.decode_file(path, got);
    REQUIRE(result.status == DecodeStatus::kUnreadable);
    REQUIRE_THAT(result.reason, test::contains(kind));
  }
  ::close(descriptor);
}
