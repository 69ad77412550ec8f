#include "harness/eval/protocols/quality_list.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "harness/data/lists/list_text.h"
#include "harness/data/lists/picture_names.h"

namespace qcface::eval {
namespace {

constexpr std::size_t kMissingShown = 3;

std::optional<double> number_of(const std::string& field) {
  double value = 0;
  const char* end = field.data() + field.size();
  const auto [parsed, error] = std::from_chars(field.data(), end, value);
  if (error != std::errc() || parsed != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

data::Separator separator_of(std::string_view line) {
  if (line.find(',') != std::string_view::npos) return data::Separator::kComma;
  if (line.find(';') != std::string_view::npos) return data::Separator::kSemicolon;
  if (line.find('\t') != std::string_view::npos) return data::Separator::kTab;
  return data::Separator::kBlanks;
}

}  // namespace

PictureQuality read_quality(const std::filesystem::path& list, std::span<const std::string> pictures) {
  const data::ListText text(list);
  require(!text.lines().empty(), "{}: no row, expected name,value", list.string());
  const data::Separator separator = separator_of(text.lines().front().text);
  std::vector<std::string> names;
  std::vector<double> values;
  bool first = true;
  for (const data::ListLine& line : text.lines()) {
    auto fields = data::split_fields(line.text, separator);
    require(fields && fields->size() == 2, "{}: line {}: expected name,value, found '{}'", list.string(),
            line.number, printable(line.text, 200));
    const std::optional<double> value = number_of((*fields)[1]);
    if (std::exchange(first, false) && !value) continue;  // a heading
    require(value.has_value(), "{}: line {}: the quality '{}' is not a finite number", list.string(),
            line.number, printable((*fields)[1], 200));
    names.push_back(std::move((*fields)[0]));
    values.push_back(*value);
  }
  const data::PictureNames found(std::move(names), list.string());
  PictureQuality quality;
  quality.name = list.stem().string();
  std::size_t missing = 0;
  std::string examples;
  for (const std::string& picture : pictures) {
    const std::optional<std::size_t> row = found.find(picture);
    if (!row && missing++ < kMissingShown)
      examples += (examples.empty() ? "" : ", ") + printable(picture, 200);
    quality.values.push_back(row ? values[*row] : 0.0);
  }
  require(missing == 0, "{}: no quality for {} of {} pictures, for example {}", list.string(), missing,
          pictures.size(), examples);
  return quality;
}

}  // namespace qcface::eval
