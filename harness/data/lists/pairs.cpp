#include "harness/data/lists/pairs.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "harness/data/lists/cfp_pairs.h"
#include "harness/data/lists/list_text.h"
#include "harness/data/lists/picture_finder.h"
#include "harness/data/lists/picture_list.h"

namespace qcface::data {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kLongestField = 100;  // in messages

struct Row {
  std::size_t line = 0;
  std::vector<std::string> fields;
};

std::optional<bool> label_of(const std::string& field) {
  const auto number = whole_number(field);
  const std::string word = lower_case(field);
  if (number == 1 || word == "true" || word == "same") return true;
  if (number == 0 || word == "false" || word == "different") return false;
  return std::nullopt;
}

// A name and the numbers of two of its pictures, or two names with a number each: a row of LFW's own lists.
bool is_lfw_row(const Row& row) {
  const auto& f = row.fields;
  const auto name = [&](std::size_t i) { return !f[i].empty() && !whole_number(f[i]); };
  const auto number = [&](std::size_t i) {
    const auto value = whole_number(f[i]);
    return value && *value >= 0;
  };
  if (f.size() == 3) return name(0) && number(1) && number(2);
  return f.size() == 4 && name(0) && number(1) && name(2) && number(3);
}

// A picture, and whether it and its neighbour show one person: a row of CPLFW's own list.
bool is_picture_row(const Row& row) {
  return row.fields.size() == 2 && has_picture_suffix(row.fields[0]) && label_of(row.fields[1]).has_value();
}
bool is_picture_heading(const Row& row) {
  return std::none_of(row.fields.begin(), row.fields.end(), [](const std::string& field) {
    return field.empty() || has_picture_suffix(field) || whole_number(field).has_value();
  });
}

bool all_numbers(const Row& row) {
  return std::all_of(row.fields.begin(), row.fields.end(),
                     [](const auto& f) { return whole_number(f).has_value(); });
}

Row split_row(const fs::path& list, const ListLine& line, bool first) {
  static constexpr Separator kSeparators[] = {Separator::kTab, Separator::kComma, Separator::kSemicolon,
                                              Separator::kBlanks, Separator::kBlanksOrComma};
  Row row{line.number, {}};
  for (const Separator separator : kSeparators) {
    auto fields = split_fields(line.text, separator);
    if (!fields) continue;
    row.fields = std::move(*fields);
    const std::size_t count = row.fields.size();
    if (count == 3 || (count == 4 && is_lfw_row(row)) || (first && count <= 2 && all_numbers(row)))
      return row;
    if (count == 2 && (is_picture_row(row) || (first && is_picture_heading(row)))) return row;
  }
  require(!row.fields.empty(), "{}: line {}: a double quote is not closed, or text follows it", list.string(),
          line.number);
  fail(
      "{}: line {}: expected 3 fields (picture, picture, 1 or 0), found {}; names with blanks need tabs or "
      "commas between "
      "the fields, or double quotes",
      list.string(), line.number, row.fields.size());
}

class Reader {
 public:
  Reader(const fs::path& list, const fs::path& root, const PairOptions& options)
      : list_(list), options_(options), finder_(list, root, options.names) {}

  PairList read() {
    const ListText text(list_);
    std::vector<Row> rows;
    for (const ListLine& line : text.lines()) rows.push_back(split_row(list_, line, rows.empty()));
    require(!rows.empty(), "{}: no pairs in this list", list_.string());
    if (rows.size() > 1 && is_picture_row(rows[1])) {
      read_pictures(rows);
      return finish();
    }
    const bool counts = rows.front().fields.size() <= 2;
    require(!counts || (rows.size() > 1 && is_lfw_row(rows[1])),
            "{}: line {}: expected 3 fields (picture, picture, 1 or 0), found {}", list_.string(),
            rows.front().line, rows.front().fields.size());
    if (counts ||
        std::any_of(rows.begin(), rows.end(), [](const Row& row) { return row.fields.size() == 4; })) {
      read_lfw(rows, counts);
    } else {
      read_labelled(rows);
    }
    return finish();
  }

 private:
  PairList finish() {
    if (!options_.allow_missing) finder_.require_all();
    require(pairs_.size() > 0, "{}: no pairs in this list{}", list_.string(),
            pairs_.left_out > 0 ? " whose pictures are there" : "");
    pairs_.images = finder_.take_images();
    return std::move(pairs_);
  }

  void add(int a, int b, bool same) {
    if (options_.allow_missing && (a < 0 || b < 0)) {
      ++pairs_.left_out;
      return;
    }
    pairs_.pairs.emplace_back(a, b);
    pairs_.same.push_back(same ? 1 : 0);
  }

  void read_pictures(std::vector<Row>& rows) {
    if (is_picture_heading(rows.front())) rows.erase(rows.begin());
    for (std::size_t i = 0; i < rows.size(); i += 2) {
      const Row &row = rows[i], &next = i + 1 < rows.size() ? rows[i + 1] : row;
      for (const Row* each : {&row, &next}) {
        require(is_picture_row(*each), "{}: line {}: expected a picture and 1 or 0, as in the other rows",
                list_.string(), each->line);
      }
      require(&row != &next, "{}: line {}: the last picture has no neighbour: two rows make a pair",
              list_.string(), row.line);
      require(label_of(row.fields[1]) == label_of(next.fields[1]),
              "{}: line {}: says {}, but line {} of the same pair says {}", list_.string(), row.line,
              printable(row.fields[1], kLongestField), next.line, printable(next.fields[1], kLongestField));
      const int a = finder_.find(row.fields[0], row.line);
      add(a, finder_.find(next.fields[0], next.line), *label_of(row.fields[1]));
    }
  }

  void read_lfw(const std::vector<Row>& rows, bool counts) {
    for (const Row& row : std::span(rows).subspan(counts ? 1 : 0)) {
      require(is_lfw_row(row),
              "{}: line {}: expected a row of LFW's form (name, number, number or name, number, name, "
              "number) as the others",
              list_.string(), row.line);
      const auto& f = row.fields;
      const bool same = f.size() == 3;
      const int a = finder_.find(f[0], *whole_number(f[1]), row.line);
      add(a, finder_.find(same ? f[0] : f[2], *whole_number(f.back()), row.line), same);
    }
    if (!counts) return;
    // Folds and pairs of either kind in each; or the latter alone.
    std::int64_t expected = 2;
    for (const std::string& field : rows.front().fields)
      expected *= std::clamp<std::int64_t>(*whole_number(field), 0, 1 << 30);
    const std::int64_t found = static_cast<std::int64_t>(pairs_.size()) + pairs_.left_out;
    require(expected == found,
            "{}: line {} announces {} pairs, but the list holds {}: get it again, or take the line out",
            list_.string(), rows.front().line, expected, found);
  }

  void read_labelled(std::vector<Row>& rows) {
    // Rows of two fields belong to lists of another form: here they lack one.
    for (const Row& row : rows) {
      require(row.fields.size() == 3, "{}: line {}: expected 3 fields (picture, picture, 1 or 0), found {}",
              list_.string(), row.line, row.fields.size());
    }
    if (is_heading(rows)) {
      log::info("{}: line {} is taken for the heading", list_.string(), rows.front().line);
      rows.erase(rows.begin());
    }
    const std::size_t label = label_first(rows) ? 0 : 2;
    for (const Row& row : rows) {
      for (const std::string& field : row.fields)
        require(!field.empty(), "{}: line {}: a field is empty", list_.string(), row.line);
      const std::optional<bool> same = label_of(row.fields[label]);
      require(same.has_value(), "{}: line {}: '{}' is neither 1 (same) nor 0 (different), nor true or false",
              list_.string(), row.line, printable(row.fields[label], kLongestField));
      const int a = finder_.find(row.fields[label == 0 ? 1 : 0], row.line);
      add(a, finder_.find(row.fields[label == 0 ? 2 : 1], row.line), *same);
    }
  }

  static bool is_heading(const std::vector<Row>& rows) {
    static constexpr std::string_view kWords[] = {"label", "same", "issame", "is_same",
                                                  "match", "m",    "target", "y"};
    const Row& row = rows.front();
    // "same" is a label as well, unless the row below says 1 or true.
    const auto heads = [&](std::size_t i) {
      const std::string word = lower_case(row.fields[i]),
                        below = rows.size() > 1 ? lower_case(rows[1].fields[i]) : "same";
      return std::find(std::begin(kWords), std::end(kWords), word) != std::end(kWords) &&
             (!label_of(word) || (below != "same" && below != "different"));
    };
    const bool names = std::none_of(row.fields.begin(), row.fields.end(), [](const std::string& field) {
      return has_picture_suffix(field) || whole_number(field).has_value();
    });
    return names && (heads(2) || heads(0));
  }

  // Only where no row can be meant the usual way. What has no suffix of a picture could be a label with a mistake in it, so
  // there both labels have to occur in front.
  static bool label_first(const std::vector<Row>& rows) {
    bool same = false, different = false, files = true;
    for (const Row& row : rows) {
      const std::optional<bool> first = label_of(row.fields[0]);
      if (!first || label_of(row.fields[2])) return false;
      (*first ? same : different) = true;
      files = files && has_picture_suffix(row.fields[1]) && has_picture_suffix(row.fields[2]);
    }
    return files || (same && different);
  }

  const fs::path list_;
  const PairOptions options_;
  PictureFinder finder_;
  PairList pairs_;
};

}  // namespace

PairList read_pairs(const fs::path& list, const fs::path& root, const PairOptions& options) {
  std::error_code error;
  if (fs::is_directory(list, error)) return read_cfp_pairs(list, root, options);
  return Reader(list, root, options).read();
}

}  // namespace qcface::data
