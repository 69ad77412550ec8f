#include "harness/data/lists/landmarks.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "harness/data/lists/list_text.h"

namespace qcface::data {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kFive = 10, kFiveAndScore = 11, kSixtyEight = 136;  // numbers behind a name
constexpr double kLargest = 1e6;

std::optional<double> number(std::string_view field) {
  double value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error != std::errc{} || end != field.data() + field.size()) return std::nullopt;
  return value;
}

// The fields of a row with such numbers of them behind the name; otherwise those of the separator that finds most.
std::vector<std::string> landmark_fields(const fs::path& list, const ListLine& line) {
  std::vector<std::string> best;
  for (const Separator separator : {Separator::kTab, Separator::kComma, Separator::kSemicolon,
                                    Separator::kBlanks, Separator::kBlanksOrComma}) {
    auto fields = split_fields(line.text, separator);
    if (!fields) continue;
    const std::size_t numbers = fields->size() - 1;
    if (numbers == kFive || numbers == kFiveAndScore || numbers == kSixtyEight) return std::move(*fields);
    if (fields->size() > best.size()) best = std::move(*fields);
  }
  require(!best.empty(), "{}: line {}: a double quote is not closed, or text follows it", list.string(),
          line.number);
  return best;
}

bool is_heading(const std::vector<std::string>& fields) {
  return std::none_of(fields.begin() + 1, fields.end(),
                      [](const std::string& field) { return number(field).has_value(); });
}

FivePoints five_of(const std::vector<double>& numbers) {
  const auto point = [&](std::size_t i) {
    return Point{numbers[2 * (i - 1)], numbers[2 * (i - 1) + 1]};
  };  // 1-based
  if (numbers.size() != kSixtyEight) return {point(1), point(2), point(3), point(4), point(5)};
  const auto mean = [](Point a, Point b) { return Point{(a.x + b.x) / 2, (a.y + b.y) / 2}; };
  return {mean(point(37), point(40)), mean(point(43), point(46)), point(31), point(49), point(55)};
}

}  // namespace

std::vector<Landmarks> read_landmarks(const fs::path& list) {
  constexpr std::size_t kMostHeadings = 2;
  const ListText text(list);
  std::vector<Landmarks> rows;
  std::unordered_map<std::string, std::size_t> line_of;
  std::size_t headings = 0, expected = 0;
  std::vector<double> numbers;
  for (const ListLine& line : text.lines()) {
    std::vector<std::string> fields = landmark_fields(list, line);
    if (rows.empty() && headings < kMostHeadings && is_heading(fields)) {
      ++headings;
      log::info("{}: line {} is taken for a heading", list.string(), line.number);
      continue;
    }
    const std::size_t found = fields.size() - 1;
    if (expected == 0) {
      require(found == kFive || found == kFiveAndScore || found == kSixtyEight,
              "{}: line {}: expected a name and 10 numbers (x and y of 5 points), 11 (with a score) or 136 "
              "(68 points), "
              "found {} fields; names with blanks need tabs or commas between the fields, or double quotes",
              list.string(), line.number, fields.size());
      expected = found;
    }
    require(found == expected, "{}: line {}: {} fields where the rows above have {}", list.string(),
            line.number, fields.size(), expected + 1);
    require(!fields[0].empty(), "{}: line {}: the name is empty", list.string(), line.number);
    numbers.clear();
    for (std::size_t i = 1; i < fields.size(); ++i) {
      const std::optional<double> value = number(fields[i]);
      require(value && std::abs(*value) <= kLargest, "{}: line {}: '{}' is no number from -1e6 to 1e6",
              list.string(), line.number, printable(fields[i], kPrintedBytes));
      numbers.push_back(*value);
    }
    const auto [known, is_new] = line_of.try_emplace(fields[0], line.number);
    require(is_new, "{}: line {}: {} has a row already, line {}", list.string(), line.number,
            printable(fields[0], kPrintedBytes), known->second);
    rows.push_back({std::move(fields[0]), line.number, five_of(numbers)});
  }
  require(!rows.empty(), "{}: no landmarks in this list", list.string());
  return rows;
}

}  // namespace qcface::data
