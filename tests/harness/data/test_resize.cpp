#include <nlohmann/json.hpp>

#include <cmath>
#include <fstream>
#include <vector>

#include "core/error.h"
#include "harness/data/normalise.h"
#include "harness/data/resize.h"
#include "tests/harness/data/picture_support.h"
#include "tests/support/catch.h"

using namespace qcface;
using namespace qcface::data;
using qcface::test::difference;
using qcface::test::make_picture;
using qcface::test::vector_image;

TEST_CASE("vector: resize is bit-exact") {
  Resizer resizer;
  for (const char* name : {"resize", "resize_down"}) {
    const Image input = vector_image(std::string(name) + "_input_rgb.npy");
    const Image expected = vector_image(std::string(name) + "_output_rgb.npy");
    Image out;
    const Image& got = resizer.resize_shorter_side(input, 112, out);
    const test::Difference d = difference(got, expected);
    INFO(name << ": largest difference " << d.largest << " at byte " << d.where << ", " << d.count
              << " differ");
    REQUIRE(d.largest == 0);
  }
}

TEST_CASE("resize keeps a picture that has the size, and a flat colour whatever the sizes") {
  Resizer resizer;
  const Image right = make_picture(1, 112, 130);
  Image out;
  REQUIRE(&resizer.resize_shorter_side(right, 112, out) == &right);
  for (auto [height, width] : {std::pair{1, 1}, {7, 300}, {500, 333}, {111, 113}}) {
    Image flat;
    flat.reshape(height, width);
    for (std::size_t i = 0; i < flat.bytes(); ++i)
      flat.data()[i] = static_cast<std::uint8_t>(40 + 90 * (i % 3));
    const Image& got = resizer.resize_shorter_side(flat, 112, out);
    REQUIRE(std::min(got.width(), got.height()) == 112);
    REQUIRE(std::max(got.width(), got.height()) == 112 * std::max(width, height) / std::min(width, height));
    for (std::size_t i = 0; i < got.bytes(); ++i)
      REQUIRE(int{got.data()[i]} == static_cast<int>(40 + 90 * (i % 3)));
  }
}

TEST_CASE("vector: normalisation") {
  std::ifstream file(test::vectors("normalise.json"));
  const nlohmann::json vectors = nlohmann::json::parse(file);
  const Normaliser normaliser(vectors.at("mean").get<std::array<double, 3>>(),
                              vectors.at("std").get<std::array<double, 3>>());
  const auto pixels = vectors.at("pixels_rgb").get<std::vector<std::vector<int>>>();
  const auto expected = vectors.at("expected").get<std::vector<std::vector<double>>>();
  REQUIRE(!pixels.empty());
  REQUIRE(pixels.size() == expected.size());
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    for (int c = 0; c < 3; ++c) {
      const double want = expected[i][static_cast<std::size_t>(c)];
      const double got = normaliser.value(c, pixels[i][static_cast<std::size_t>(c)]);
      REQUIRE(std::abs(got - want) <= 1.2e-7 * (1.0 + std::abs(want)));
    }
  }
  REQUIRE_THROWS_AS(Normaliser(kQcfaceMean, {1.0, 0.0, 1.0}), Error);
}

TEST_CASE(
    "a preparation comes back from the configuration of a run; what is absent there keeps its default") {
  Preparation other;
  other.mean = {0.5, 0.25, 0.125};
  other.std = {1, 2, 3};
  other.swap_rb = true;
  other.bgr = true;
  other.non_square = NonSquare::kReject;
  for (const Preparation& p : {Preparation{}, other}) {
    nlohmann::json config = to_json(p);
    config["lr"] = 0.1;
    REQUIRE(to_json(preparation_from_json(config)) == to_json(p));
  }
  REQUIRE(to_json(preparation_from_json({{"lr", 0.1}})) == to_json(Preparation{}));
  REQUIRE_THROWS_WITH(preparation_from_json({{"non-square", "stretch"}}),
                      test::contains("centre-crop or reject"));
  REQUIRE_THROWS(preparation_from_json({{"mean", {1, 2}}}));
  REQUIRE_THROWS(preparation_from_json({{"non-square", 1}}));
  REQUIRE_THROWS(preparation_from_json(nlohmann::json::array()));
}

TEST_CASE("normalisation writes planes, a window, and the mirror image") {
  const Image image = make_picture(9, 6, 8);
  const Normaliser normaliser;
  constexpr int kSide = 4;
  std::vector<float> plain(3 * kSide * kSide + 1, -77.0f), mirrored(plain);
  normaliser.apply(image, 1, 3, kSide, false, plain.data());
  normaliser.apply(image, 1, 3, kSide, true, mirrored.data());
  for (int c = 0; c < 3; ++c) {
    for (int y = 0; y < kSide; ++y) {
      for (int x = 0; x < kSide; ++x) {
        const auto at = static_cast<std::size_t>((c * kSide + y) * kSide + x);
        REQUIRE(plain[at] == normaliser.value(c, image.row(1 + y)[3 * (3 + x) + c]));
        REQUIRE(mirrored[at] ==
                plain[at - static_cast<std::size_t>(x) + static_cast<std::size_t>(kSide - 1 - x)]);
      }
    }
  }
  REQUIRE(plain.back() == -77.0f);
  REQUIRE_THROWS_AS(normaliser.apply(image, 3, 3, kSide, false, plain.data()), Error);
}

TEST_CASE("normalise: a standard deviation that is not positive is refused") {
  REQUIRE_THROWS_WITH(Normaliser({0.5, 0.5, 0.5}, {0.2, 0, 0.2}), test::contains("std of channel 1 is 0"));
}
