#include "harness/model/class_rows.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/error.h"
#include "core/text.h"

namespace qcface::model {

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::int64_t classes_of(const TensorView& head_weight, std::int64_t width) {
  const auto& shape = head_weight.shape;
  if (shape.size() != 2) return 0;
  return shape[0] == width ? shape[1] : shape[1] == width ? shape[0] : 0;
}

// In squares that stay in the cache.
void transpose(const float* in, std::int64_t rows, std::int64_t columns, std::int64_t in_stride, float* out,
               std::int64_t out_stride) {
  constexpr std::int64_t kSquare = 32;
  for (std::int64_t r0 = 0; r0 < rows; r0 += kSquare) {
    for (std::int64_t c0 = 0; c0 < columns; c0 += kSquare) {
      for (std::int64_t r = r0; r < std::min(r0 + kSquare, rows); ++r) {
        for (std::int64_t c = c0; c < std::min(c0 + kSquare, columns); ++c)
          out[c * out_stride + r] = in[r * in_stride + c];
      }
    }
  }
}

std::string class_part_prefix(const std::string& tensor) { return tensor + ".rows."; }

ClassRows::ClassRows(const TensorSource& file, const TensorView& tensor, std::int64_t classes,
                     std::int64_t width, bool rows_first)
    : classes_(classes > 0 ? classes : classes_of(tensor, width)), width_(width) {
  const std::vector<std::int64_t> published{width, classes_}, rows{classes_, width};
  columns_ = tensor.shape == published && !(rows_first && tensor.shape == rows);
  require(
      columns_ || (classes_ > 0 && tensor.shape == rows),
      "{}: tensor {} has shape {}, expected [D, K] = {}: the file was trained on another set of identities "
      "or another embedding width",
      file.path(), tensor.name, shape_text(tensor.shape), shape_text(published));
  parts_.push_back({0, classes_, &tensor});
}

ClassRows::ClassRows(std::vector<Part> parts, std::int64_t width)
    : parts_(std::move(parts)), classes_(parts_.back().first + parts_.back().count), width_(width) {}

std::optional<ClassRows> ClassRows::find(const TensorSource& file, const std::string& tensor,
                                         std::int64_t width, bool rows_first) {
  if (const TensorView* const whole = file.find(tensor)) return ClassRows(file, *whole, 0, width, rows_first);
  const std::string prefix = class_part_prefix(tensor);
  std::vector<Part> parts;
  for (const TensorView& view : file.tensors()) {
    if (!view.name.starts_with(prefix)) continue;
    Part part{0, 0, &view};
    const char* const end = view.name.data() + view.name.size();
    const auto [parsed, error] = std::from_chars(view.name.data() + prefix.size(), end, part.first);
    require(error == std::errc() && parsed == end && view.shape.size() == 2 && view.shape[1] == width,
            "{}: tensor {} has shape {}, expected {}<first class> of [classes, {}]", file.path(),
            printable(view.name, 200), shape_text(view.shape), prefix, width);
    part.count = view.shape[0];
    parts.push_back(part);
  }
  if (parts.empty()) return std::nullopt;
  std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.first < b.first; });
  std::int64_t next = 0;
  for (const Part& part : parts) {
    require(part.first == next, "{}: {} begins at class {}, but the parts before it end at {}", file.path(),
            part.tensor->name, part.first, next);
    next += part.count;
  }
  return ClassRows(std::move(parts), width);
}

void ClassRows::copy(std::int64_t first, std::span<float> rows) const {
  std::int64_t count = static_cast<std::int64_t>(rows.size()) / width_;
  if (columns_) {
    std::vector<float> columns(rows.size());
    const auto line = static_cast<std::size_t>(count);
    for (std::size_t d = 0; d < static_cast<std::size_t>(width_); ++d) {
      parts_[0].tensor->to_float(static_cast<std::int64_t>(d) * classes_ + first,
                                 std::span(columns).subspan(d * line, line));
    }
    transpose(columns.data(), width_, count, count, rows.data(), width_);
    return;
  }
  auto part = std::upper_bound(parts_.begin(), parts_.end(), first,
                               [](std::int64_t place, const Part& p) { return place < p.first; }) -
              1;
  for (; count > 0; ++part) {
    const std::int64_t taken = std::min(count, part->first + part->count - first);
    part->tensor->to_float((first - part->first) * width_,
                           rows.first(static_cast<std::size_t>(taken * width_)));
    rows = rows.subspan(static_cast<std::size_t>(taken * width_));
    first += taken;
    count -= taken;
  }
}

void ClassRows::stream_columns(const std::function<void(std::span<float>)>& take, std::int64_t block) const {
  constexpr std::int64_t kPasses = 16;
  const std::int64_t at_once =
      std::clamp(std::max(block / classes_, (width_ + kPasses - 1) / kPasses), std::int64_t{1}, width_);
  std::vector<float> rows, lines;
  for (std::int64_t d = 0; d < width_; d += at_once) {
    const std::int64_t count = std::min(at_once, width_ - d);
    lines.resize(static_cast<std::size_t>(count * classes_));
    for (std::int64_t first = 0; first < classes_; first += kClassRowsAtOnce) {
      const std::int64_t taken = std::min(kClassRowsAtOnce, classes_ - first);
      rows.resize(static_cast<std::size_t>(taken * width_));
      copy(first, rows);
      transpose(rows.data() + d, taken, count, width_, lines.data() + first, classes_);
    }
    take(lines);
  }
}

}  // namespace qcface::model
