// Lists as people have them: text files of one row a line, from any editor, spreadsheet or system.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qcface::data {

inline constexpr std::size_t kMostNamed = 5;  // things of one kind that a message names

struct ListLine {
  std::size_t number = 0;  // 1-based
  std::string_view text;   // without line end and blanks around it
};

class ListText {
 public:
  /// A byte order mark, LF, CR LF and CR are understood; blank lines and those that begin with '#' are left out. Throws
  /// Error naming the file: not there, no regular file, UTF-16, or no text.
  explicit ListText(const std::filesystem::path& path);
  ListText(const ListText&) = delete;
  ListText& operator=(const ListText&) = delete;
  const std::vector<ListLine>& lines() const { return lines_; }

 private:
  std::string text_;
  std::vector<ListLine> lines_;  // into text_
};

enum class Separator {
  kTab,
  kComma,
  kSemicolon,
  kBlanks,         // any number of blanks or tabs
  kBlanksOrComma,  // the same, or one comma with blanks around it
};
/// Fields without blanks around them. A field in double quotes may hold the separator, and a quote as two; nothing where a
/// quote is not closed or is followed by more.
std::optional<std::vector<std::string>> split_fields(std::string_view line, Separator separator);

/// "12", "0012" and "12.0" are 12; anything else is no number.
std::optional<std::int64_t> whole_number(std::string_view field);
/// ASCII letters in lower case.
std::string lower_case(std::string_view text);

}  // namespace qcface::data
