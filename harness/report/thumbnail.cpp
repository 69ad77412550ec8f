#include "harness/report/thumbnail.h"

#include <fmt/format.h>

#include <algorithm>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "harness/console/interrupt.h"
#include "harness/data/image.h"
#include "harness/report/html.h"

namespace qcface::report {

std::string base64(const void* data, std::size_t bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const unsigned char* p = static_cast<const unsigned char*>(data);
  std::string text;
  text.reserve((bytes + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes; i += 3) {
    const std::size_t left = bytes - i;
    const unsigned word = static_cast<unsigned>(p[i]) << 16 |
                          (left > 1 ? static_cast<unsigned>(p[i + 1]) << 8 : 0u) |
                          (left > 2 ? static_cast<unsigned>(p[i + 2]) : 0u);
    text.push_back(kDigits[word >> 18 & 63]);
    text.push_back(kDigits[word >> 12 & 63]);
    text.push_back(left > 1 ? kDigits[word >> 6 & 63] : '=');
    text.push_back(left > 2 ? kDigits[word & 63] : '=');
  }
  return text;
}

std::string thumbnail_uri(const std::filesystem::path& file, int side) {
  stop_if_interrupted();
  data::ImageDecoder decoder;
  data::Image image;
  if (!decoder.decode_file(file.string(), image).ok()) return {};
  const cv::Mat rgb(image.height(), image.width(), CV_8UC3, image.data());
  const double scale = std::min(1.0, static_cast<double>(side) / std::max(image.width(), image.height()));
  cv::Mat small;
  cv::Mat bgr;
  std::vector<unsigned char> encoded;
  try {
    cv::resize(rgb, small,
               cv::Size(std::max(1, static_cast<int>(image.width() * scale + 0.5)),
                        std::max(1, static_cast<int>(image.height() * scale + 0.5))),
               0, 0, cv::INTER_AREA);
    cv::cvtColor(small, bgr, cv::COLOR_RGB2BGR);
    if (!cv::imencode(".jpg", bgr, encoded, {cv::IMWRITE_JPEG_QUALITY, 85})) return {};
  } catch (const cv::Exception&) {
    return {};
  }
  return "data:image/jpeg;base64," + base64(encoded.data(), encoded.size());
}

std::string html_image(const std::string& uri, const std::string& alternative) {
  if (uri.empty()) return "<div class=\"absent\"></div>";
  return fmt::format("<img alt=\"{}\" src=\"{}\">", escape_html(alternative), uri);
}

std::string html_thumbnail(const std::filesystem::path& file, const std::string& alternative, int side) {
  return html_image(thumbnail_uri(file, side), alternative);
}

}  // namespace qcface::report
