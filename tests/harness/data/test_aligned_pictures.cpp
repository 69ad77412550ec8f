// Loose crops that are aligned as they are read.
#include "harness/data/align/aligned_pictures.h"

#include <algorithm>
#include <fstream>

#include "core/npy.h"
#include "harness/data/align/warp.h"
#include "harness/data/image.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_data.h"

using namespace qcface;
using namespace qcface::data;

namespace {

Image waves(int height, int width) {
  Image image;
  image.reshape(height, width);
  for (int y = 0; y < height; ++y) {
    for (int i = 0; i < Image::kChannels * width; ++i)
      image.row(y)[i] = static_cast<std::uint8_t>((7 * y + 3 * i) % 251);
  }
  return image;
}

}  // namespace

TEST_CASE("aligned pictures are the warp of the decoded file; points that are one give the file itself") {
  const test::TemporaryFolder folder;
  const Image loose = waves(150, 170);
  write_image(folder / "1.png", loose);
  write_image(folder / "2.png", loose);
  std::ofstream(folder / "3.png") << "spoilt";
  const FivePoints points{{{60, 70}, {95, 66}, {80, 88}, {66, 108}, {94, 105}}}, one{};
  const AlignedPictures pictures(folder.path(), {"1.png", "2.png", "3.png"}, {points, one, points});
  REQUIRE(pictures.size() == 3);
  REQUIRE(pictures.unaligned() == 1);
  REQUIRE(pictures.name(0) == folder / "1.png");
  REQUIRE(pictures.file_name(1) == "2.png");
  REQUIRE(pictures.stored_bytes(0) > 0);

  std::vector<std::uint8_t> buffer;
  StoredPicture picture;
  REQUIRE(pictures.read(0, buffer, picture).ok());
  REQUIRE((picture.height == 112 && picture.width == 112));
  Image want;
  warp(loose, *fit_similarity(points, face_template(112, false)), 112, 112, want);
  REQUIRE(picture.bytes.size() == want.bytes());
  REQUIRE(std::equal(picture.bytes.begin(), picture.bytes.end(), want.data()));

  REQUIRE(pictures.read(1, buffer, picture).ok());
  REQUIRE(picture.height == 0);  // a file
  Image decoded;
  REQUIRE(ImageDecoder().decode(picture, decoded).ok());
  REQUIRE((decoded.height() == 150 && decoded.width() == 170));

  REQUIRE_FALSE(pictures.read(2, buffer, picture).ok());
}

TEST_CASE("what reading makes of aligned pictures is told from other points") {
  FivePoints points{{{60, 70}, {95, 66}, {80, 88}, {66, 108}, {94, 105}}};
  const std::string before = AlignedPictures("x", {"1.png"}, {points}).reading();
  REQUIRE(before == AlignedPictures("y", {"2.png"}, {points}).reading());
  points[3].y += 1e-6;
  REQUIRE(before != AlignedPictures("x", {"1.png"}, {points}).reading());
  REQUIRE_THROWS_WITH(AlignedPictures("x", {"1.png", "2.png"}, {points}),
                      test::contains("2 files but 1 sets of points"));
}
