#include "harness/data/lists/landmarks.h"

#include <vector>

#include "harness/data/align/similarity.h"
#include "harness/data/align/warp.h"
#include "harness/data/image.h"
#include "tests/fuzz/target.h"

using namespace qcface;

// What a list says goes on into the fit and the warp.
QCFACE_FUZZ_TARGET(landmarks) {
  const std::vector<data::Landmarks> rows = data::read_landmarks(fuzz::file_of(bytes));
  fuzz::expect(!rows.empty(), "a list without rows");
  data::Image picture, crop;
  picture.reshape(5, 7);
  for (std::size_t i = 0; i < picture.bytes(); ++i) picture.data()[i] = static_cast<std::uint8_t>(i);
  const data::FivePoints target = data::face_template(16, false);
  for (const data::Landmarks& row : rows) {
    if (const auto map = data::fit_similarity(row.points, target)) data::warp(picture, *map, 16, 16, crop);
  }
}
