// Templates of IJB (protocols.md sections 8 and 9): pictures of one person, some of them frames of one video (a media). Pictures
// are reduced to media, media to the template's vector; in double, in the order of the pictures' rows, so that any number of
// threads gives the same bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "nn/scoring/scorer.h"

namespace qcface::eval {

/// How vectors x_i of lengths n_i become one. A vector of length 0 stays what it is.
enum class Reduce {
  kMean,      // mean of x_i
  kSum,       // sum of x_i
  kQuality,   // Q: direction of sum n_i x_i, length (sum n_i^2) / (sum n_i)
  kQuality1,  // q1: direction of sum x_i, length as Q
  kUnitMean,  // direction of sum x_i, length 1
};
std::string_view name_of(Reduce reduce);  // "mean", "sum", "Q", "q1", "unit"

struct Pooling {
  Reduce media = Reduce::kMean;  // of several pictures; a single one stays as it is
  Reduce templates = Reduce::kMean;
  friend bool operator==(const Pooling&, const Pooling&) = default;
};

/// Which pictures belong together: templates by ascending id, their media by ascending id, pictures in their order.
struct TemplateGroups {
  std::vector<std::int64_t> ids;           // of the templates
  std::vector<std::size_t> media_begin;    // [templates + 1] into picture_begin
  std::vector<std::size_t> picture_begin;  // [media + 1] into pictures
  std::vector<std::int32_t> pictures;      // rows
  std::size_t size() const { return ids.size(); }
  /// Rows of the pictures of a template.
  std::span<const std::int32_t> pictures_of(std::size_t index) const {
    const std::size_t begin = picture_begin[media_begin[index]], end = picture_begin[media_begin[index + 1]];
    return std::span(pictures).subspan(begin, end - begin);
  }
};
/// One id a picture each. Throws Error for more pictures than 2^31.
TemplateGroups group_templates(std::span<const std::int64_t> template_of_picture,
                               std::span<const std::int64_t> media_of_picture);

struct PooledTemplates {
  std::int64_t width = 0;
  std::vector<double> rows;             // [templates, width]; a template without a readable picture is zero
  std::vector<std::size_t> unreadable;  // such templates
};
/// `pictures`: one row a picture. `weights`: what each is multiplied by, or empty. `valid`: 0 leaves a picture out; or empty.
/// Reads every picture once. Throws Interrupted after a signal.
PooledTemplates pool_templates(const nn::RowsView& pictures, const TemplateGroups& groups,
                               const Pooling& pooling, std::span<const float> weights = {},
                               std::span<const std::uint8_t> valid = {}, int threads = 0);

}  // namespace qcface::eval
