// Class weights as files hold them: head.weight, [D, K] or [K, D], or the parts that ranks wrote, a row a class:
// head.weight.rows.0 [K_0, D], head.weight.rows.<K_0> [K_1, D], ... Rows are converted as they are asked for, so that nobody
// needs room for all of them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/tensors/source.h"

namespace qcface::model {

/// "[512, 93431]"
std::string shape_text(const std::vector<std::int64_t>& shape);
/// Classes K of a head.weight [D, K] or [K, D] for embeddings of D = `width` values; 0: it has no such extent.
std::int64_t classes_of(const TensorView& head_weight, std::int64_t width);

/// Rows that go between files, host and backend at a time.
inline constexpr std::int64_t kClassRowsAtOnce = 1024;
/// [rows, columns] -> [columns, rows]; strides between the lines of each.
void transpose(const float* in, std::int64_t rows, std::int64_t columns, std::int64_t in_stride, float* out,
               std::int64_t out_stride);

/// What the name of a part begins with; its first class follows.
std::string class_part_prefix(const std::string& tensor);

class ClassRows {
 public:
  /// Rows of the tensor, which is borrowed. Throws Error naming the file where it is not [D, K] or [K, D].
  /// classes: 0 for as many as it has. rows_first: it is [K, D], which the shapes do not say where K = D.
  ClassRows(const TensorSource& file, const TensorView& tensor, std::int64_t classes, std::int64_t width,
            bool rows_first = false);
  /// The tensor of that name or its parts; nothing where the file has neither. Throws Error naming the part that leaves a gap
  /// or is of another width.
  static std::optional<ClassRows> find(const TensorSource& file, const std::string& tensor,
                                       std::int64_t width, bool rows_first = false);

  std::int64_t classes() const { return classes_; }
  /// Rows first, first + 1, ... as many as `rows` has room for.
  void copy(std::int64_t first, std::span<float> rows) const;
  /// Calls take with the values of [D, K], some lines of K at a time. Each block is a pass over the file: about `block` values,
  /// more where that were over 16 passes. Values may be changed.
  void stream_columns(const std::function<void(std::span<float>)>& take,
                      std::int64_t block = std::int64_t{1} << 20) const;

 private:
  struct Part {
    std::int64_t first = 0, count = 0;
    const TensorView* tensor = nullptr;
  };
  ClassRows(std::vector<Part> parts, std::int64_t width);

  std::vector<Part> parts_;
  std::int64_t classes_, width_;
  bool columns_ = false;  // [D, K]
};

}  // namespace qcface::model
