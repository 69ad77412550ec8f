// The reference vectors of data-formats.md section 12, step by step, for every version of the pixel loops.
#include <nlohmann/json.hpp>

#include <array>
#include <fstream>
#include <vector>

#include "harness/data/augment/augment.h"
#include "harness/data/augment/border.h"
#include "harness/data/augment/clahe.h"
#include "harness/data/augment/lab.h"
#include "harness/data/augment/pixel_ops.h"
#include "harness/data/augment/tone_tables.h"
#include "tests/harness/data/picture_support.h"
#include "tests/support/catch.h"

using namespace qcface;
using namespace qcface::data;
using qcface::test::difference;
using qcface::test::vector_image;

namespace {

Image augmented(const AugmentDraw& draw, bool jpeg_swap_rb = false) {
  Image image = vector_image("augment_input_rgb.npy");
  Augmenter augmenter(jpeg_swap_rb);
  augmenter.apply(draw, image);
  return image;
}

void require_close(const Image& got, const std::string& file, int tolerance) {
  const Image expected = vector_image("augment/" + file);
  const test::Difference d = difference(got, expected);
  INFO(file << ": largest difference " << d.largest << " at byte " << d.where << ", " << d.count
            << " differ");
  REQUIRE(got.bytes() > 0);
  REQUIRE(d.largest <= tolerance);
}

std::vector<const PixelOps*> all_ops() {
  std::vector<const PixelOps*> all{&pixel_ops_baseline()};
  if (pixel_ops_avx2() != nullptr) all.push_back(pixel_ops_avx2());
  return all;
}

}  // namespace

TEST_CASE("vector: turns and flips are exact") {
  for (int k : {1, 3}) {
    AugmentDraw draw;
    draw.quarter_turns = k;
    require_close(augmented(draw), "rot90_k" + std::to_string(k) + ".npy", 0);
  }
  AugmentDraw columns, rows, none;
  columns.flip_columns = true;
  rows.flip_rows = true;
  require_close(augmented(columns), "hflip.npy", 0);
  require_close(augmented(rows), "vflip.npy", 0);
  REQUIRE(difference(augmented(none), vector_image("augment_input_rgb.npy")).largest == 0);
}

TEST_CASE("vector: blur and median are exact") {
  for (int size : {3, 5, 7}) {
    AugmentDraw blur, median;
    blur.blur = size;
    median.median = size;
    require_close(augmented(blur), "blur_" + std::to_string(size) + ".npy", 0);
    require_close(augmented(median), "median_" + std::to_string(size) + ".npy", 0);
  }
}

TEST_CASE("vector: blur and median are exact in every version of the pixel loops") {
  const Image input = vector_image("augment_input_rgb.npy");
  for (const PixelOps* ops : all_ops()) {
    for (int size : {3, 5, 7}) {
      INFO(ops->name << ", size " << size);
      std::vector<std::uint8_t> storage, scratch(ops->median_scratch_bytes(size, input.width()), 0xAA);
      std::vector<std::uint16_t> columns(
          3 * static_cast<std::size_t>(input.width() + size) + Padded::kRowSlack, 0xAAAA);
      Image out;
      out.reshape(input.height(), input.width());
      ops->median(pad(input, size / 2, Border::kRepeat, storage), size, scratch.data(), out.data());
      require_close(out, "median_" + std::to_string(size) + ".npy", 0);
      ops->box(pad(input, size / 2, Border::kMirror, storage), size, columns.data(), out.data());
      require_close(out, "blur_" + std::to_string(size) + ".npy", 0);
    }
  }
}

TEST_CASE("vector: brightness, contrast and gamma tables are exact") {
  std::ifstream file(test::vectors("augment_luts.json"));
  const nlohmann::json vectors = nlohmann::json::parse(file);
  REQUIRE(!vectors.at("brightness_contrast").empty());
  if (test::own_data()) REQUIRE(vectors.at("brightness_contrast").size() == 4);
  for (const auto& entry : vectors.at("brightness_contrast")) {
    const ToneTable table = brightness_contrast_table(entry.at("alpha"), entry.at("beta"));
    const auto expected = entry.at("lut").get<std::vector<int>>();
    REQUIRE(expected.size() == table.size());
    for (std::size_t v = 0; v < table.size(); ++v) {
      INFO("alpha " << entry.at("alpha") << " beta " << entry.at("beta") << " value " << v);
      REQUIRE(int{table[v]} == expected[v]);
    }
  }
  const auto& gammas = vectors.at("gamma");
  REQUIRE(!gammas.empty());
  if (test::own_data()) REQUIRE(gammas.size() == 4);
  for (const auto& entry : gammas) {
    const ToneTable table = gamma_table(entry.at("gamma"));
    const auto expected = entry.at("lut").get<std::vector<int>>();
    REQUIRE(expected.size() == table.size());
    for (std::size_t v = 0; v < table.size(); ++v) {
      INFO("gamma " << entry.at("gamma") << " value " << v);
      REQUIRE(int{table[v]} == expected[v]);
    }
  }
}

TEST_CASE("vector: CLAHE on the L plane is exact") {
  const NpyArray input = read_npy(test::vectors("augment/lab_L.npy"));
  const int height = static_cast<int>(input.shape.at(0)), width = static_cast<int>(input.shape.at(1));
  Clahe clahe;
  for (const char* clip : {"2.0", "3.7"}) {
    std::vector<std::uint8_t> plane(input.as_u8().begin(), input.as_u8().end());
    clahe.apply(plane.data(), height, width, std::stod(clip));
    const NpyArray expected =
        read_npy(test::vectors(("augment/clahe_" + std::string(clip) + "_L.npy").c_str()));
    const auto want = expected.as_u8();
    REQUIRE(want.size() == plane.size());
    for (std::size_t i = 0; i < plane.size(); ++i) {
      INFO("clip " << clip << " pixel " << i);
      REQUIRE(int{plane[i]} == int{want[i]});
    }
  }
}

TEST_CASE("vector: L of Lab is exact, CLAHE in colour within 2 levels") {
  const Image input = vector_image("augment_input_rgb.npy");
  const NpyArray expected = read_npy(test::vectors("augment/lab_L.npy"));
  const std::size_t pixels = input.bytes() / 3;
  for (const PixelOps* ops : all_ops()) {
    std::vector<std::uint8_t> l(pixels), a(pixels), b(pixels);
    ops->rgb_to_lab(lab_tables(), input.data(), pixels, l.data(), a.data(), b.data());
    REQUIRE(expected.as_u8().size() == pixels);
    for (std::size_t i = 0; i < pixels; ++i) {
      INFO(ops->name << " pixel " << i);
      REQUIRE(int{l[i]} == int{expected.as_u8()[i]});
    }
  }
  for (const char* clip : {"2.0", "3.7"}) {
    AugmentDraw draw;
    draw.clahe_clip = std::stod(clip);
    require_close(augmented(draw), "clahe_" + std::string(clip) + ".npy", 2);
  }
}

TEST_CASE("vector: JPEG round trip, true RGB and the published quirk") {
  // Another JPEG library may round its transform differently; the same one gives the same bits.
  constexpr int kTolerance = 2;
  for (int quality : {20, 60, 100}) {
    AugmentDraw draw;
    draw.jpeg_quality = quality;
    const std::string suffix = "_q" + std::to_string(quality) + ".npy";
    require_close(augmented(draw, false), "jpeg_rgb" + suffix, kTolerance);
    require_close(augmented(draw, true), "jpeg_bgr_quirk" + suffix, kTolerance);
  }
}
