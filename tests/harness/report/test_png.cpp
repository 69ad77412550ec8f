// Figures as PNG: size, ground, lines and text.
#include "harness/plot/png.h"

#include <filesystem>
#include <fstream>

#include "core/atomic_file.h"
#include "harness/data/image.h"
#include "harness/plot/figure_files.h"
#include "tests/harness/eval/support.h"
#include "tests/support/temporary_folder.h"

using namespace qcface;
using qcface::test::contains;
using qcface::test::error_of;

namespace {

Plot a_plot(const std::string& title) {
  Plot plot;
  plot.title = title;
  plot.x.label = "x";
  plot.y.label = "y";
  plot.width = 200;
  plot.height = 120;
  plot.series.push_back({"line", {0, 1, 2}, {0, 2, 1}});
  return plot;
}

data::Image picture_of(const std::string& png, const test::TemporaryFolder& folder) {
  std::ofstream(folder / "figure.png", std::ios::binary) << png;
  data::Image image;
  data::ImageDecoder decoder;
  const data::DecodeResult result = decoder.decode_file((folder / "figure.png").string(), image);
  INFO(result.reason);
  REQUIRE(result.ok());
  return image;
}

// Pixels that are not white in the rows [from, to).
int marked(const data::Image& image, int from, int to) {
  int count = 0;
  for (int y = from; y < to; ++y) {
    for (int x = 0; x < image.width(); ++x) {
      const std::uint8_t* pixel = image.row(y) + 3 * x;
      count += pixel[0] < 250 || pixel[1] < 250 || pixel[2] < 250 ? 1 : 0;
    }
  }
  return count;
}

}  // namespace

TEST_CASE("a figure as PNG has its size, a white ground, its line in colour and its text") {
  if (!can_render_png()) QCFACE_SKIP("this build has no librsvg (Debian: librsvg2-dev)");
  const test::TemporaryFolder folder;
  const data::Image image = picture_of(render_png(render_svg_file(a_plot("A title")), 2), folder);
  REQUIRE(image.width() == 400);
  REQUIRE(image.height() == 240);
  for (int c = 0; c < 3; ++c) REQUIRE(image.row(0)[c] == 255);
  int blue = 0;
  for (int y = 0; y < image.height(); ++y) {
    for (int x = 0; x < image.width(); ++x)
      blue += image.row(y)[3 * x + 2] > image.row(y)[3 * x] + 80 ? 1 : 0;
  }
  REQUIRE(blue > 200);
  // The title is drawn: without a font, or with none found, its rows stay white.
  const int with = marked(image, 6, 40);
  const int without = marked(picture_of(render_png(render_svg_file(a_plot(" ")), 2), folder), 6, 40);
  REQUIRE(with > without + 100);
}

TEST_CASE("what is no figure is refused as PNG") {
  if (!can_render_png()) QCFACE_SKIP("this build has no librsvg (Debian: librsvg2-dev)");
  REQUIRE(contains(error_of([] { (void)render_png("no svg"); }), "cannot be read"));
  REQUIRE(contains(error_of([] { (void)render_png("<svg xmlns=\"http://www.w3.org/2000/svg\"/>"); }),
                   "no width and height"));
  REQUIRE(contains(error_of([] {
                     (void)render_png(
                         "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"99999\" height=\"99999\"/>");
                   }),
                   "at most"));
}

TEST_CASE("a figure's files: the SVG always, the PNG where this build draws it") {
  const test::TemporaryFolder folder;
  FileGroup group;
  const auto files = add_figure(group, folder / "a.svg", a_plot("A"));
  group.commit();
  REQUIRE(files.size() == (can_render_png() ? 2U : 1U));
  REQUIRE(files[0] == folder / "a.svg");
  REQUIRE(read_file(files[0]) == render_svg_file(a_plot("A")));
  REQUIRE(std::filesystem::exists(folder / "a.png") == can_render_png());
}
