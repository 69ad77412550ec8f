// The eight ways a picture can be turned and mirrored, in one pass over the pixels.
#pragma once

#include "harness/data/image.h"

namespace qcface::data {

/// out(y, x) = in(y', x'), or in(x', y') when transposed, where y' and x' count from the other end if reversed.
struct Turn {
  bool transpose = false;
  bool reverse_rows = false;
  bool reverse_columns = false;

  bool identity() const { return !transpose && !reverse_rows && !reverse_columns; }
  /// k quarter turns counter-clockwise, then the columns, then the rows reversed if asked for.
  static Turn quarter_turns_then_flips(int k, bool flip_columns, bool flip_rows);
  /// In place; scratch is swapped with image unless the turn is the identity.
  void apply(Image& image, Image& scratch) const;
};

}  // namespace qcface::data
