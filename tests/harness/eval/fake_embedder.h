// A folder of small pictures, and a formula that stands in for a network.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "core/random.h"
#include "harness/data/image.h"
#include "harness/eval/features/embedder.h"
#include "tests/support/temporary_folder.h"

namespace qcface::test {

/// 112 x 112 picture: smooth colours of the identity, a little noise of the picture, contrast falling with level.
inline data::Image make_picture(int identity, int picture, double level = 0) {
  RandomStream of_identity(900 + static_cast<std::uint64_t>(identity), RandomPurpose::kTest);
  RandomStream of_picture(7, RandomPurpose::kTest, static_cast<std::uint32_t>(identity),
                          static_cast<std::uint64_t>(picture));
  double coefficient[3][4];
  for (auto& channel : coefficient) {
    for (double& value : channel) value = of_identity.uniform(-60, 60);
  }
  const double shift = of_picture.uniform(-6, 6);
  data::Image image;
  image.reshape(112, 112);
  for (int y = 0; y < 112; ++y) {
    for (int x = 0; x < 112; ++x) {
      const double u = x / 111.0, v = y / 111.0;
      for (int c = 0; c < 3; ++c) {
        const double wave = coefficient[c][0] * u + coefficient[c][1] * v +
                            coefficient[c][2] * std::sin(6 * u) + coefficient[c][3] * std::cos(5 * v);
        image.row(y)[3 * x + c] =
            static_cast<std::uint8_t>(std::clamp(128 + shift + wave * (1 - level), 0.0, 255.0));
      }
    }
  }
  return image;
}

/// <root>/p<identity>/<picture>.png
struct PictureFolder {
  PictureFolder(int identities, int pictures) : root(folder.path()) {
    for (int identity = 0; identity < identities; ++identity) {
      std::filesystem::create_directories(root / ("p" + std::to_string(identity)));
      for (int picture = 0; picture < pictures; ++picture) {
        files.push_back(
            (root / ("p" + std::to_string(identity)) / (std::to_string(picture) + ".png")).string());
        data::write_image(files.back(), make_picture(identity, picture));
      }
    }
  }
  TemporaryFolder folder;
  std::filesystem::path root;
  std::vector<std::string> files;
};

/// Embedding d = mean of the picture times a fixed wave: depends on the picture alone, and its length on contrast.
class FormulaEmbedder : public eval::Embedder {
 public:
  explicit FormulaEmbedder(std::int64_t width) : width_(width) {}
  std::int64_t width() const override { return width_; }
  std::int64_t max_batch() const override { return 16; }
  std::string fingerprint() const override { return "formula " + std::to_string(width_) + " " + version; }
  void embed(const float* images, std::int64_t n, float* out) override {
    const std::int64_t plane = 112 * 112;
    for (std::int64_t i = 0; i < n; ++i) {
      const float* image = images + i * 3 * plane;
      for (std::int64_t d = 0; d < width_; ++d) {
        double sum = 0;
        for (std::int64_t p = 0; p < 3 * plane; p += 7) {
          sum += static_cast<double>(image[p]) * std::cos(0.0003 * static_cast<double>((d + 1) * p));
        }
        out[i * width_ + d] = static_cast<float>(sum / 500);
      }
      if (pictures + i == poison) out[i * width_ + 1] = std::numeric_limits<float>::quiet_NaN();
    }
    pictures += n;
    if (poison >= 0 && pictures > poison) poison = -1;
  }
  std::int64_t pictures = 0;  // embedded so far
  std::string version;        // told apart by a cache
  std::int64_t poison = -1;   // this one (counted from the start) gets a NaN

 private:
  std::int64_t width_;
};

}  // namespace qcface::test
