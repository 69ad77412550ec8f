// Augmentation beyond the vectors: against OpenCV and plain loops over sizes and shapes, and the draws.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <map>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "core/error.h"
#include "harness/data/augment/augment.h"
#include "harness/data/augment/border.h"
#include "harness/data/augment/clahe.h"
#include "harness/data/augment/lab.h"
#include "harness/data/augment/pixel_ops.h"
#include "harness/data/decode/turn.h"
#include "tests/harness/data/picture_support.h"
#include "tests/support/catch.h"

using namespace qcface;
using namespace qcface::data;
using qcface::test::difference;
using qcface::test::make_picture;

namespace {

Image copy(const Image& image) {
  Image result;
  result.copy_from(image);
  return result;
}

cv::Mat view(Image& image) { return {image.height(), image.width(), CV_8UC3, image.data()}; }

}  // namespace

TEST_CASE("blur and median equal OpenCV for every remainder of the vector width") {
  Augmenter augmenter;
  for (int width : {1, 2, 3, 4, 5, 9, 10, 11, 16, 21, 22, 43, 64, 65, 112, 130}) {
    for (int height : {1, 2, 5, 31}) {
      Image input = make_picture(static_cast<std::uint32_t>(width * 100 + height), height, width);
      for (int size : {3, 5, 7}) {
        INFO(width << " x " << height << ", window " << size);
        Image expected = copy(input), got = copy(input);
        cv::Mat target = view(expected);
        cv::medianBlur(view(input).clone(), target, size);
        AugmentDraw draw;
        draw.median = size;
        augmenter.apply(draw, got);
        REQUIRE(difference(got, expected).largest == 0);

        got = copy(input);
        cv::Mat blurred;
        // Float mean, rounded here: cv::blur of 8-bit pixels depends on the version for ties, of which there are none.
        cv::Mat wide;
        view(input).convertTo(wide, CV_64FC3);
        cv::blur(wide, blurred, {size, size}, {-1, -1}, cv::BORDER_REFLECT_101);
        blurred.convertTo(target, CV_8UC3);
        draw = {};
        draw.blur = size;
        augmenter.apply(draw, got);
        REQUIRE(difference(got, expected).largest == 0);
      }
    }
  }
}

TEST_CASE("box mean is exact for the largest sums") {
  for (int size : {3, 5, 7}) {
    Image white;
    white.reshape(20, 20);
    std::fill_n(white.data(), white.bytes(), std::uint8_t{255});
    white.row(9)[30] = 254;  // sums just below the largest
    Augmenter augmenter;
    AugmentDraw draw;
    draw.blur = size;
    Image got = copy(white);
    augmenter.apply(draw, got);
    REQUIRE(int{got.row(9)[30]} ==
            static_cast<int>(std::lround((255.0 * size * size - 1.0) / (size * size))));
    REQUIRE(int{got.row(0)[0]} == 255);
  }
}

TEST_CASE("all versions of the pixel loops give the same bits") {
  if (pixel_ops_avx2() == nullptr)
    QCFACE_SKIP("this processor or build has no AVX2: there is one version only");
  Image image = make_picture(7, 64, 61);
  const std::size_t pixels = image.bytes() / 3;
  std::array<std::vector<std::uint8_t>, 2> planes, back;
  int v = 0;
  for (const PixelOps* ops : {&pixel_ops_baseline(), pixel_ops_avx2()}) {
    auto& p = planes[static_cast<std::size_t>(v)];
    auto& r = back[static_cast<std::size_t>(v++)];
    p.resize(3 * pixels);
    r.resize(3 * pixels);
    ops->rgb_to_lab(lab_tables(), image.data(), pixels, p.data(), p.data() + pixels, p.data() + 2 * pixels);
    ops->lab_to_rgb(lab_tables(), p.data(), p.data() + pixels, p.data() + 2 * pixels, pixels, r.data());
  }
  REQUIRE(planes[0] == planes[1]);
  REQUIRE(back[0] == back[1]);
}

TEST_CASE("8-bit Lab: forward equals OpenCV, back stays within 2 levels, on a grid of all colours") {
  std::vector<std::uint8_t> rgb;
  for (int r = 0; r < 256; r += 5) {
    for (int g = 0; g < 256; g += 3) {
      for (int b = 0; b < 256; b += 3) {
        rgb.insert(rgb.end(), {static_cast<std::uint8_t>(r), static_cast<std::uint8_t>(g),
                               static_cast<std::uint8_t>(b)});
      }
    }
  }
  const std::size_t pixels = rgb.size() / 3;
  const cv::Mat input(1, static_cast<int>(pixels), CV_8UC3, rgb.data());
  cv::Mat lab, back;
  cv::cvtColor(input, lab, cv::COLOR_RGB2Lab);
  cv::cvtColor(lab, back, cv::COLOR_Lab2RGB);
  std::vector<std::uint8_t> l(pixels), a(pixels), b(pixels), out(3 * pixels);
  pixel_ops().rgb_to_lab(lab_tables(), rgb.data(), pixels, l.data(), a.data(), b.data());
  int largest_l = 0, largest_ab = 0, largest_rgb = 0;
  std::size_t different_ab = 0;
  for (std::size_t i = 0; i < pixels; ++i) {
    const int da = std::abs(lab.data[3 * i + 1] - int{a[i]}), db = std::abs(lab.data[3 * i + 2] - int{b[i]});
    largest_l = std::max(largest_l, std::abs(lab.data[3 * i] - int{l[i]}));
    largest_ab = std::max({largest_ab, da, db});
    different_ab += (da > 0) + (db > 0);
    // The way back is compared from the same Lab values: far outside the gamut one step of b is many of blue.
    l[i] = lab.data[3 * i];
    a[i] = lab.data[3 * i + 1];
    b[i] = lab.data[3 * i + 2];
  }
  pixel_ops().lab_to_rgb(lab_tables(), l.data(), a.data(), b.data(), pixels, out.data());
  for (std::size_t i = 0; i < 3 * pixels; ++i) {
    largest_rgb = std::max(largest_rgb, std::abs(back.data[i] - int{out[i]}));
  }
  CAPTURE(largest_l, largest_ab, different_ab, largest_rgb);
  REQUIRE(largest_l <= 0);
  REQUIRE(largest_ab <= 1);
  REQUIRE(different_ab <= pixels / 100);
  REQUIRE(largest_rgb <= 2);
}

TEST_CASE("CLAHE equals OpenCV where sides are multiples of 8 and where they are not") {
  Clahe clahe;
  for (auto [height, width] :
       {std::pair{112, 112}, {64, 56}, {112, 92}, {92, 112}, {113, 121}, {8, 8}, {17, 40}, {250, 250}}) {
    for (double clip : {1.0, 2.3, 4.0}) {
      Image picture = make_picture(static_cast<std::uint32_t>(height * 1000 + width), height, width);
      std::vector<std::uint8_t> plane(static_cast<std::size_t>(height) * static_cast<std::size_t>(width));
      for (std::size_t i = 0; i < plane.size(); ++i) plane[i] = picture.data()[3 * i];
      cv::Mat expected;
      cv::createCLAHE(clip, {8, 8})->apply(cv::Mat(height, width, CV_8U, plane.data()), expected);
      clahe.apply(plane.data(), height, width, clip);
      INFO(width << " x " << height << ", limit " << clip);
      REQUIRE(std::equal(plane.begin(), plane.end(), expected.data));
    }
  }
}

TEST_CASE("turns compose: quarter turns first, then columns, then rows") {
  const Image input = make_picture(3, 4, 6);
  for (int k = 0; k < 4; ++k) {
    for (int flips = 0; flips < 4; ++flips) {
      const bool columns = (flips & 1) != 0, rows = (flips & 2) != 0;
      Image got = copy(input), scratch, expected = copy(input);
      Turn::quarter_turns_then_flips(k, columns, rows).apply(got, scratch);
      for (int turn = 0; turn < k; ++turn) {
        Image turned;
        turned.reshape(expected.width(), expected.height());
        for (int y = 0; y < turned.height(); ++y) {
          for (int x = 0; x < turned.width(); ++x) {
            std::copy_n(expected.row(x) + 3 * (expected.width() - 1 - y), 3, turned.row(y) + 3 * x);
          }
        }
        expected = std::move(turned);
      }
      Image flipped;
      flipped.reshape(expected.height(), expected.width());
      for (int y = 0; y < flipped.height(); ++y) {
        for (int x = 0; x < flipped.width(); ++x) {
          const int from_y = rows ? flipped.height() - 1 - y : y,
                    from_x = columns ? flipped.width() - 1 - x : x;
          std::copy_n(expected.row(from_y) + 3 * from_x, 3, flipped.row(y) + 3 * x);
        }
      }
      INFO("k " << k << " columns " << columns << " rows " << rows);
      REQUIRE(difference(got, flipped).largest == 0);
    }
  }
}

TEST_CASE("the draw depends on seed, epoch and index only, and follows the published distribution") {
  std::map<int, int> turns, blurs, medians;
  int columns = 0, rows = 0, clahe = 0, tone = 0, gamma = 0;
  constexpr int kCount = 8000;
  int low_quality = 100, high_quality = 0, low_gamma = 200, high_gamma = 0;
  for (int i = 0; i < kCount; ++i) {
    const AugmentDraw draw = draw_augmentation(11, 3, static_cast<std::uint64_t>(i));
    ++turns[draw.quarter_turns];
    ++blurs[draw.blur];
    ++medians[draw.median];
    columns += draw.flip_columns;
    rows += draw.flip_rows;
    clahe += draw.clahe_clip > 0.0;
    tone += draw.brightness_contrast;
    gamma += draw.gamma_percent != 0;
    if (draw.clahe_clip > 0.0) REQUIRE((draw.clahe_clip >= 1.0 && draw.clahe_clip <= 4.0));
    REQUIRE((draw.alpha >= 0.8 && draw.alpha <= 1.2));
    REQUIRE((draw.beta >= -0.2 && draw.beta <= 0.2));
    low_quality = std::min(low_quality, draw.jpeg_quality);
    high_quality = std::max(high_quality, draw.jpeg_quality);
    if (draw.gamma_percent != 0) {
      low_gamma = std::min(low_gamma, draw.gamma_percent);
      high_gamma = std::max(high_gamma, draw.gamma_percent);
    }
  }
  const auto near = [](int count, double share) {
    return std::abs(count - share * kCount) <= 5.0 * std::sqrt(share * kCount);
  };
  REQUIRE(near(turns[0], 0.625));
  for (int k : {1, 2, 3}) REQUIRE(near(turns[k], 0.125));
  REQUIRE((blurs.size() == 4 && medians.size() == 4));
  for (int size : {3, 5, 7}) REQUIRE((near(blurs[size], 1.0 / 6) && near(medians[size], 1.0 / 6)));
  for (int count : {columns, rows, clahe, tone, gamma}) REQUIRE(near(count, 0.5));
  REQUIRE((low_quality == 20 && high_quality == 100));
  REQUIRE((low_gamma == 80 && high_gamma == 120));

  const AugmentDraw a = draw_augmentation(11, 3, 5), b = draw_augmentation(11, 3, 5);
  REQUIRE((a.alpha == b.alpha && a.jpeg_quality == b.jpeg_quality && a.clahe_clip == b.clahe_clip));
  REQUIRE(draw_augmentation(11, 4, 5).alpha != a.alpha);
  REQUIRE(draw_augmentation(12, 3, 5).alpha != a.alpha);
  REQUIRE(draw_augmentation(11, 3, 6).alpha != a.alpha);
}

TEST_CASE("a whole draw equals its steps one after the other") {
  AugmentDraw draw;
  draw.quarter_turns = 3;
  draw.flip_columns = true;
  draw.blur = 3;
  draw.median = 5;
  draw.clahe_clip = 2.5;
  draw.brightness_contrast = true;
  draw.alpha = 1.1;
  draw.beta = -0.1;
  draw.gamma_percent = 90;
  draw.jpeg_quality = 50;
  const Image input = make_picture(5, 40, 56);
  Image whole = copy(input), stepwise = copy(input);
  Augmenter augmenter;
  augmenter.apply(draw, whole);
  std::array<AugmentDraw, 8> steps;
  steps[0].quarter_turns = draw.quarter_turns;
  steps[1].flip_columns = true;
  steps[2].blur = draw.blur;
  steps[3].median = draw.median;
  steps[4].clahe_clip = draw.clahe_clip;
  steps[5].brightness_contrast = true;
  steps[5].alpha = draw.alpha;
  steps[5].beta = draw.beta;
  steps[6].gamma_percent = draw.gamma_percent;
  steps[7].jpeg_quality = draw.jpeg_quality;
  for (const AugmentDraw& step : steps) augmenter.apply(step, stepwise);
  REQUIRE(whole.width() == 40);
  REQUIRE(difference(whole, stepwise).largest == 0);
  REQUIRE(difference(whole, input).largest > 0);
}

TEST_CASE("parameters out of range are named") {
  Augmenter augmenter;
  Image image = make_picture(1, 8, 8);
  AugmentDraw draw;
  draw.blur = 4;
  REQUIRE_THROWS_WITH(augmenter.apply(draw, image), test::contains("blur size 4"));
  draw = {};
  draw.gamma_percent = 230;
  REQUIRE_THROWS_AS(augmenter.apply(draw, image), Error);
  draw = {};
  draw.jpeg_quality = 101;
  REQUIRE_THROWS_AS(augmenter.apply(draw, image), Error);
}
