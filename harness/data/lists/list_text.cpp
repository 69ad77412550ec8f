#include "harness/data/lists/list_text.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <system_error>

#include "core/atomic_file.h"
#include "core/error.h"

namespace qcface::data {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

ListText::ListText(const std::filesystem::path& path) : text_(read_file(path)) {
  std::string_view rest = text_;
  require(!rest.starts_with("\xFF\xFE") && !rest.starts_with("\xFE\xFF"),
          "{}: the list is UTF-16 text; save it as UTF-8 (or plain ASCII)", path.string());
  require(rest.find('\0') == std::string_view::npos,
          "{}: this is no text file, expected a list of one row a line", path.string());
  if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find_first_of("\r\n"), rest.size());
    const std::string_view line = trimmed(rest.substr(0, end));
    rest.remove_prefix(rest.substr(end).starts_with("\r\n") ? end + 2 : std::min(end + 1, rest.size()));
    if (!line.empty() && line.front() != '#') lines_.push_back({number, line});
  }
}

std::optional<std::vector<std::string>> split_fields(std::string_view line, Separator separator) {
  const bool blanks = separator == Separator::kBlanks || separator == Separator::kBlanksOrComma;
  const char mark = separator == Separator::kTab ? '\t' : separator == Separator::kSemicolon ? ';' : ',';
  const auto ends_field = [&](char c) {
    return (blanks && is_blank(c)) || (separator != Separator::kBlanks && c == mark);
  };
  std::vector<std::string> fields;
  std::size_t at = 0;
  const auto skip_blanks = [&] {
    while (at < line.size() && is_blank(line[at]) && (blanks || line[at] != mark)) ++at;
  };
  while (true) {
    skip_blanks();
    std::string field;
    if (at < line.size() && line[at] == '"') {
      for (++at;; ++at) {
        if (at >= line.size()) return std::nullopt;
        if (line[at] == '"') {
          if (at + 1 >= line.size() || line[at + 1] != '"') break;
          ++at;
        }
        field += line[at];
      }
      ++at;
      if (at < line.size() && !is_blank(line[at]) && !ends_field(line[at])) return std::nullopt;
    } else {
      const std::size_t begin = at;
      while (at < line.size() && !ends_field(line[at])) ++at;
      field = trimmed(line.substr(begin, at - begin));
    }
    fields.push_back(std::move(field));
    const std::size_t field_end = at;
    skip_blanks();
    if (at >= line.size()) return fields;
    if (separator != Separator::kBlanks && line[at] == mark) {
      ++at;
    } else if (!blanks || at == field_end) {
      return std::nullopt;
    }
  }
}

std::optional<std::int64_t> whole_number(std::string_view field) {
  // No exponents and the like: a picture may be called 1e3.
  const std::size_t point = std::min(field.find('.'), field.size());
  if (point < field.size() && field.find_first_not_of('0', point + 1) != std::string_view::npos)
    return std::nullopt;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + point, value);
  if (error != std::errc{} || end != field.data() + point) return std::nullopt;
  return value;
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

}  // namespace qcface::data
