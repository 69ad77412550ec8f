#include "harness/data/lists/ijb_pairs.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "core/error.h"
#include "core/open_file.h"
#include "core/text.h"
#include "harness/console/run_tasks.h"

namespace qcface::data {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{4} << 20;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// Whole lines of the text.
struct Piece {
  std::size_t begin = 0, end = 0;   // bytes
  std::size_t first = 0, rows = 0;  // place of its first row; `rows` at first the most there can be
  std::size_t bad_at = 0;           // byte of the first row that is wrong, and what is wrong with it
  std::string problem;
};

std::vector<Piece> split(std::string_view text) {
  std::vector<Piece> pieces;
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = std::min(begin + kPieceBytes, text.size());
    end = end < text.size() ? std::min(text.find('\n', end), text.size() - 1) + 1 : end;
    Piece piece;
    piece.begin = begin;
    piece.end = end;
    pieces.push_back(std::move(piece));
    begin = end;
  }
  return pieces;
}

// A whole number and the blanks behind it.
std::optional<std::int64_t> take_number(const char*& at, const char* end) {
  std::int64_t value = 0;
  const auto [stop, error] = std::from_chars(at, end, value);
  if (error != std::errc{} || (stop != end && !is_blank(*stop))) return std::nullopt;
  at = stop;
  while (at != end && is_blank(*at)) ++at;
  return value;
}

class PieceReader {
 public:
  PieceReader(std::string_view text, const TemplateIndex& templates, IjbPairs& result)
      : text_(text), templates_(templates), result_(result) {}

  void read(Piece& piece) const {
    const char *at = text_.data() + piece.begin, *const end = text_.data() + piece.end;
    std::size_t rows = 0;
    while (at != end) {
      const char* const line = at;
      const char* const line_end = std::find(at, end, '\n');
      while (at != line_end && is_blank(*at)) ++at;
      if (at != line_end && !read_row(at, line_end, piece.first + rows++, piece.problem)) {
        piece.bad_at = static_cast<std::size_t>(line - text_.data());
        return;
      }
      at = line_end == end ? end : line_end + 1;
    }
    piece.rows = rows;
  }

 private:
  bool read_row(const char* at, const char* end, std::size_t place, std::string& problem) const {
    const char* const begin = at;
    const auto a = take_number(at, end), b = a ? take_number(at, end) : a,
               label = b ? take_number(at, end) : b;
    if (!label || at != end) {
      problem = fmt::format(
          "expected `template template label` in whole numbers, found '{}'",
          printable(std::string_view(begin, static_cast<std::size_t>(end - begin)), kPrintedBytes));
      return false;
    }
    if (*label != 0 && *label != 1) {
      problem = fmt::format("the label is {}, expected 1 (same) or 0 (different)", *label);
      return false;
    }
    const nn::RowPair pair{templates_.find(*a), templates_.find(*b)};
    if (pair.a < 0 || pair.b < 0) {
      problem = fmt::format("template {} is unknown: it has no picture in the list of templates and media",
                            pair.a < 0 ? *a : *b);
      return false;
    }
    result_.pairs[place] = pair;
    result_.same[place] = static_cast<char>(*label);
    return true;
  }

  const std::string_view text_;
  const TemplateIndex& templates_;
  IjbPairs& result_;
};

}  // namespace

TemplateIndex::TemplateIndex(std::span<const std::int64_t> ids) : ids_(ids) {
  if (ids.empty()) return;
  constexpr std::uint64_t kRoomy = 1 << 20;
  const std::uint64_t span = static_cast<std::uint64_t>(ids.back()) - static_cast<std::uint64_t>(ids.front());
  if (span > 8 * ids.size() + kRoomy) return;
  place_of_.assign(static_cast<std::size_t>(span) + 1, -1);
  for (std::size_t i = 0; i < ids.size(); ++i)
    place_of_[static_cast<std::size_t>(ids[i] - ids.front())] = static_cast<std::int32_t>(i);
}

std::int32_t TemplateIndex::find(std::int64_t id) const {
  if (ids_.empty() || id < ids_.front() || id > ids_.back()) return -1;
  if (!place_of_.empty()) return place_of_[static_cast<std::size_t>(id - ids_.front())];
  const auto at = std::lower_bound(ids_.begin(), ids_.end(), id);
  return *at == id ? static_cast<std::int32_t>(at - ids_.begin()) : -1;
}

IjbPairs read_ijb_pairs(const std::filesystem::path& list, const TemplateIndex& templates, int threads) {
  const MappedFile file = map_file(list);
  std::string_view text(reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size());
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<Piece> pieces = split(text);
  const auto each = [&](auto&& work) {
    run_tasks(static_cast<std::int64_t>(pieces.size()), threads, {},
              [&](std::int64_t i, int) { work(pieces[static_cast<std::size_t>(i)]); });
  };
  each([&](Piece& piece) {
    const std::string_view lines = text.substr(piece.begin, piece.end - piece.begin);
    piece.rows = static_cast<std::size_t>(std::count(lines.begin(), lines.end(), '\n')) +
                 (lines.ends_with('\n') ? 0 : 1);
  });
  std::size_t most = 0;
  for (Piece& piece : pieces) {
    piece.first = most;
    most += piece.rows;
  }
  IjbPairs result;
  result.pairs.resize(most);
  result.same.resize(most);
  const PieceReader reader(text, templates, result);
  each([&](Piece& piece) { reader.read(piece); });

  std::size_t rows = 0;
  for (const Piece& piece : pieces) {
    if (!piece.problem.empty()) {
      fail("{}: line {}: {}", list.string(),
           1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(piece.bad_at), '\n'),
           piece.problem);
    }
    // Blank lines have left places free.
    if (rows != piece.first) {
      const auto begin = static_cast<std::ptrdiff_t>(piece.first),
                 end = begin + static_cast<std::ptrdiff_t>(piece.rows);
      std::copy(result.pairs.begin() + begin, result.pairs.begin() + end,
                result.pairs.begin() + static_cast<std::ptrdiff_t>(rows));
      std::copy(result.same.begin() + begin, result.same.begin() + end,
                result.same.begin() + static_cast<std::ptrdiff_t>(rows));
    }
    rows += piece.rows;
  }
  require(rows > 0, "{}: no pairs in this list", list.string());
  result.pairs.resize(rows);
  result.same.resize(rows);
  return result;
}

}  // namespace qcface::data
