// What evaluation needs of a network. The caller that owns network and device provides it, so that evaluation
// knows neither, and tests put a formula in its place.
#pragma once

#include <cstdint>
#include <string>

namespace qcface::eval {

class Embedder {
 public:
  virtual ~Embedder() = default;
  /// D.
  virtual std::int64_t width() const = 0;
  /// Largest batch embed() takes.
  virtual std::int64_t max_batch() const = 0;
  /// Side of the square input.
  virtual int side() const { return 112; }
  /// images [n, 3, side, side] float, RGB, normalised -> out [n, D] raw embeddings (not normalised), in
  /// evaluation mode. 1 <= n <= max_batch().
  virtual void embed(const float* images, std::int64_t n, float* out) = 0;
  /// Differs for networks that could give other bits for a picture: other weights, layers, device or libraries.
  virtual std::string fingerprint() const = 0;
  /// A hash of the weights: the same wherever they run.
  virtual std::string model_hash() const { return fingerprint(); }
};

}  // namespace qcface::eval
