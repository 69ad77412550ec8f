// Decoding: agreement with OpenCV, EXIF turns, and files that are not what they claim.
#include <cstdint>
#include <fstream>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <string>
#include <utility>
#include <vector>

#include "harness/data/decode/jpeg.h"
#include "harness/data/image.h"
#include "tests/harness/data/picture_support.h"
#include "tests/support/catch.h"

using namespace qcface;
using namespace qcface::data;
using qcface::test::difference;
using qcface::test::make_picture;

namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes encode(const Image& image, const char* suffix, std::vector<int> parameters = {}) {
  Bytes bytes;
  cv::Mat bgr;
  cv::cvtColor(cv::Mat(image.height(), image.width(), CV_8UC3, const_cast<std::uint8_t*>(image.data())), bgr,
               cv::COLOR_RGB2BGR);
  REQUIRE(cv::imencode(suffix, bgr, bytes, parameters));
  return bytes;
}

Image opencv_decode(const Bytes& bytes) {
  const cv::Mat bgr = cv::imdecode(bytes, cv::IMREAD_COLOR);
  REQUIRE(!bgr.empty());
  Image image;
  image.reshape(bgr.rows, bgr.cols);
  cv::Mat rgb(bgr.rows, bgr.cols, CV_8UC3, image.data());
  cv::cvtColor(bgr, rgb, cv::COLOR_BGR2RGB);
  return image;
}

// Puts an EXIF block with this orientation behind the start of a JPEG.
Bytes with_orientation(const Bytes& jpeg, int orientation, bool big_endian) {
  const auto o = static_cast<std::uint8_t>(orientation);
  Bytes tiff =
      big_endian
          ? Bytes{'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, o, 0, 0, 0, 0, 0, 0}
          : Bytes{'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, o, 0, 0, 0, 0, 0, 0, 0};
  Bytes marker{0xFF, 0xE1, 0, static_cast<std::uint8_t>(2 + 6 + tiff.size()), 'E', 'x', 'i', 'f', 0, 0};
  Bytes out;
  const auto append = [&out](const auto begin, const auto end) {
    for (auto it = begin; it != end; ++it) out.push_back(*it);
  };
  append(jpeg.begin(), jpeg.begin() + 2);
  append(marker.begin(), marker.end());
  append(tiff.begin(), tiff.end());
  append(jpeg.begin() + 2, jpeg.end());
  return out;
}

}  // namespace

TEST_CASE("decoding gives the pixels of OpenCV") {
  ImageDecoder decoder;
  Image got;
  for (auto [height, width] : {std::pair{112, 112}, {1, 1}, {17, 33}, {40, 9}}) {
    const Image picture = make_picture(static_cast<std::uint32_t>(height), height, width);
    for (const char* suffix : {".jpg", ".png", ".bmp", ".ppm", ".webp"}) {
      if (std::string(suffix) == ".webp" && !cv::haveImageWriter("a.webp")) continue;
      const Bytes bytes = encode(picture, suffix);
      INFO(suffix << " " << width << " x " << height);
      const DecodeResult result = decoder.decode(bytes, got);
      INFO(result.reason);
      REQUIRE(result.ok());
      REQUIRE(difference(got, opencv_decode(bytes)).largest == 0);
    }
    const Bytes progressive = encode(picture, ".jpg", {cv::IMWRITE_JPEG_PROGRESSIVE, 1});
    REQUIRE(decoder.decode(progressive, got).ok());
    REQUIRE(difference(got, opencv_decode(progressive)).largest == 0);
  }
}

TEST_CASE("grey is copied to three channels, alpha dropped, 16 bits reduced") {
  ImageDecoder decoder;
  Image got;
  cv::Mat grey(20, 30, CV_8U), alpha(20, 30, CV_8UC4), deep(20, 30, CV_16UC3);
  cv::randu(grey, 0, 255);
  cv::randu(alpha, 0, 255);
  cv::randu(deep, 0, 65535);
  for (const auto& [suffix, mat] :
       {std::pair{".pgm", grey}, {".jpg", grey}, {".png", grey}, {".png", alpha}, {".png", deep}}) {
    Bytes bytes;
    REQUIRE(cv::imencode(suffix, mat, bytes));
    REQUIRE(decoder.decode(bytes, got).ok());
    REQUIRE(difference(got, opencv_decode(bytes)).largest == 0);
    if (mat.channels() == 1) REQUIRE((got.data()[30] == got.data()[31] && got.data()[31] == got.data()[32]));
  }
}

TEST_CASE("EXIF turns are applied as OpenCV applies them") {
  ImageDecoder decoder;
  Image got;
  const Bytes jpeg = encode(make_picture(4, 24, 40), ".jpg");
  for (int orientation = 1; orientation <= 8; ++orientation) {
    for (bool big_endian : {false, true}) {
      const Bytes bytes = with_orientation(jpeg, orientation, big_endian);
      INFO("orientation " << orientation << (big_endian ? " MM" : " II"));
      REQUIRE(decoder.decode(bytes, got).ok());
      REQUIRE(got.width() == (orientation >= 5 ? 24 : 40));
      REQUIRE(difference(got, opencv_decode(bytes)).largest == 0);
    }
  }
}

TEST_CASE("a JPEG cut anywhere counts as corrupt") {
  ImageDecoder decoder;
  Image got;
  for (int progressive : {0, 1}) {
    const Bytes whole = encode(make_picture(8, 64, 64), ".jpg", {cv::IMWRITE_JPEG_PROGRESSIVE, progressive});
    REQUIRE(decoder.decode(whole, got).ok());
    for (std::size_t keep : {std::size_t{2}, std::size_t{20}, whole.size() / 4, whole.size() / 2,
                             whole.size() * 3 / 4, whole.size() - 30, whole.size() - 2}) {
      const DecodeResult result = decoder.decode({whole.data(), keep}, got);
      INFO("kept " << keep << " of " << whole.size() << ": " << result.reason);
      REQUIRE(result.status != DecodeStatus::kOk);
      REQUIRE(!result.reason.empty());
    }
    REQUIRE(decoder.decode(whole, got).ok());  // the handle survives
  }
}

TEST_CASE("JPEG: damaged data is found, stray bytes are forgiven") {
  ImageDecoder decoder;
  Image got;
  const Bytes whole = encode(make_picture(9, 64, 64), ".jpg");
  Bytes hole = whole;
  std::fill(hole.begin() + static_cast<std::ptrdiff_t>(hole.size() / 2),
            hole.begin() + static_cast<std::ptrdiff_t>(hole.size() / 2 + 60), std::uint8_t{0xFF});
  REQUIRE(decoder.decode(hole, got).status == DecodeStatus::kCorrupt);
  Bytes trailing = whole;
  trailing.insert(trailing.end(), 100, std::uint8_t{0});
  REQUIRE(decoder.decode(trailing, got).ok());
  REQUIRE(difference(got, opencv_decode(whole)).largest == 0);
}

TEST_CASE("cut PNG, BMP and PNM files count as corrupt") {
  ImageDecoder decoder;
  Image got;
  for (const char* suffix : {".png", ".bmp", ".ppm"}) {
    const Bytes whole = encode(make_picture(8, 40, 40), suffix);
    for (std::size_t keep : {std::size_t{30}, whole.size() / 2, whole.size() - 40}) {
      const DecodeResult result = decoder.decode({whole.data(), keep}, got);
      INFO(suffix << " kept " << keep << " of " << whole.size() << ": " << result.reason);
      REQUIRE(!result.ok());
    }
  }
}

TEST_CASE("files that are no pictures give a reason and no exception") {
  const test::TemporaryFolder folder;
  ImageDecoder decoder;
  Image got;
  test::write_text(folder.path() / "text.jpg", "this is no picture\n");
  test::write_text(folder.path() / "empty.jpg", "");
  std::filesystem::create_directory(folder.path() / "folder.jpg");
  REQUIRE(decoder.decode_file((folder.path() / "text.jpg").string(), got).status ==
          DecodeStatus::kUnknownFormat);
  REQUIRE(decoder.decode_file((folder.path() / "empty.jpg").string(), got).status == DecodeStatus::kEmpty);
  REQUIRE(decoder.decode_file((folder.path() / "folder.jpg").string(), got).status ==
          DecodeStatus::kUnreadable);
  const DecodeResult missing = decoder.decode_file((folder.path() / "missing.jpg").string(), got);
  REQUIRE(missing.status == DecodeStatus::kUnreadable);
  REQUIRE_THAT(missing.reason, test::contains("No such file"));
}

TEST_CASE("sizes beyond the limit are refused before anything is decoded") {
  ImageDecoder decoder;
  Image got;
  Bytes jpeg = encode(make_picture(8, 32, 32), ".jpg");
  for (std::size_t i = 0; i + 8 < jpeg.size(); ++i) {
    if (jpeg[i] == 0xFF && jpeg[i + 1] == 0xC0) {  // frame header: height, width
      jpeg[i + 5] = jpeg[i + 7] = 0xFF;
      jpeg[i + 6] = jpeg[i + 8] = 0x00;
    }
  }
  REQUIRE(decoder.decode(jpeg, got).status == DecodeStatus::kTooLarge);
  Bytes png = encode(make_picture(8, 32, 32), ".png");
  png[16] = 0x7F;
  REQUIRE(decoder.decode(png, got).status == DecodeStatus::kTooLarge);
  const std::string pnm = "P6\n# a comment\n200000 200000\n255\n";
  REQUIRE(decoder.decode({reinterpret_cast<const std::uint8_t*>(pnm.data()), pnm.size()}, got).status ==
          DecodeStatus::kTooLarge);
}

TEST_CASE("written pictures read back; errors name the file") {
  const test::TemporaryFolder folder;
  const Image picture = make_picture(6, 20, 30);
  ImageDecoder decoder;
  Image got;
  const std::string path = (folder.path() / "a.png").string();
  write_image(path, picture);
  REQUIRE(decoder.decode_file(path, got).ok());
  REQUIRE(difference(got, picture).largest == 0);
  REQUIRE_THROWS_WITH(write_image((folder.path() / "missing" / "a.png").string(), picture),
                      test::contains("missing/a.png"));
  REQUIRE_THROWS_WITH(write_image((folder.path() / "a.xyz").string(), picture), test::contains("a.xyz"));
}
