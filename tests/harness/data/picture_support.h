// Pictures and folders for the tests of the data room.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/npy.h"
#include "harness/data/image.h"
#include "harness/data/sets/image_folder.h"
#include "tests/support/catch.h"
#include "tests/support/hash_generator.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_data.h"

namespace qcface::test {

inline data::Image image_of(const NpyArray& array) {
  data::Image image;
  image.reshape(static_cast<int>(array.shape.at(0)), static_cast<int>(array.shape.at(1)));
  const auto bytes = array.as_u8();
  std::copy(bytes.begin(), bytes.end(), image.data());
  return image;
}

/// An image of tests/data/vectors.
inline data::Image vector_image(const std::string& file) { return image_of(read_npy(vectors(file.c_str()))); }

/// Smooth colours with some noise, different for every seed.
inline data::Image make_picture(std::uint32_t seed, int height, int width) {
  data::Image image;
  image.reshape(height, width);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c) {
        const auto i = static_cast<std::uint32_t>((y * width + x) * 3 + c);
        const double slope = 60.0 * sym(seed, 1, static_cast<std::uint32_t>(c)) * x / width +
                             60.0 * sym(seed, 2, static_cast<std::uint32_t>(c)) * y / height;
        const double value = 150.0 - 25.0 * c + slope + 20.0 * sym(seed, 3, i);
        image.data()[i] = static_cast<std::uint8_t>(std::clamp(value, 0.0, 255.0));
      }
    }
  }
  return image;
}

struct Difference {
  int largest = 0;
  std::size_t count = 0;
  std::size_t where = 0;  // of the largest
};

inline Difference difference(const data::Image& a, const data::Image& b) {
  Difference result;
  if (a.height() != b.height() || a.width() != b.width()) return {256, 0, 0};
  for (std::size_t i = 0; i < a.bytes(); ++i) {
    const int d = std::abs(int{a.data()[i]} - int{b.data()[i]});
    if (d > 0) ++result.count;
    if (d > result.largest) result = {d, result.count, i};
  }
  return result;
}

inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// <identity>/<picture>.
inline std::string in_set(const data::ImageFolder& set, std::int64_t index) {
  const std::filesystem::path path = set.path(index);
  return (path.parent_path().filename() / path.filename()).string();
}

}  // namespace qcface::test
