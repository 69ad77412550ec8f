// Contrast-limited adaptive histogram equalisation of one 8-bit plane, 8 x 8 tiles (data-formats.md section 12).
// Bit-exact with the reference library.
#pragma once

#include <cstdint>
#include <vector>

namespace qcface::data {

/// Scratch memory is kept; one a thread.
class Clahe {
 public:
  /// plane [height, width], in place. clip is the contrast limit (1..4 in training). Sides of at least 1.
  void apply(std::uint8_t* plane, int height, int width, double clip);

 private:
  static constexpr int kTiles = 8;  // a side
  struct Blend {
    int first = 0, second = 0;  // neighbour tiles
    float weight = 0.0f;        // of the second
  };
  static void compute_blends(int size, int tile_size, std::vector<Blend>& out);
  void compute_tables(const std::uint8_t* plane, int height, int width, int tile_height, int tile_width,
                      double clip);

  std::vector<std::uint8_t> tables_;  // [tile row, tile column, 256]
  std::vector<Blend> rows_, columns_;
  std::vector<int> mirrored_;  // input column of each padded column
};

}  // namespace qcface::data
