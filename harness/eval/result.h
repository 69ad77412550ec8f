// What a protocol found (Result), and how that is shown (Presentation). A presentation is made of the result alone, of a
// new one or of one read back from its files, so that the terminal and the page of a report say the same, and neither
// needs to know any protocol.
#pragma once

#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "harness/plot/svg_plot.h"

namespace qcface::eval {

struct Result {
  nlohmann::json json;                        // <protocol>.json
  std::map<std::string, std::string> sheets;  // CSV files beside it: name -> text
  // Of a new result of a protocol that training runs measure between epochs: what their logs keep of it.
  nlohmann::ordered_json figures;  // "accuracy" is what the best checkpoint is told by
  std::string headline;            // "accuracy 92.00% (10-fold), AUC 0.9653, 600 pairs"
};

/// Some parts read well in one of the two places only.
enum class Where { kBoth, kScreen, kPage };

/// A large figure at the head of a page.
struct Tile {
  std::string label, value, note;
};

struct Note {
  enum class Kind { kText, kSmall, kWarning, kHeading, kHeadline };  // a headline is the one thing to be seen
  std::string text;
  Where where = Where::kBoth;
  Kind kind = Kind::kText;
};

struct Table {
  struct Column {
    std::string name;
    int width = 0;  // characters on the terminal
  };
  struct Row {
    std::vector<std::string> cells;  // may be fewer than columns
    Where where = Where::kBoth;
  };
  std::vector<Column> columns;
  std::size_t text_columns = 1;  // that many are text, on the left; the others are figures, on the right
  std::vector<Row> rows;
  std::size_t totals = 0;  // so many rows at the end are set apart
  std::string caption;     // on a page
};

/// On a page, and in the file, if one is named.
struct Figure {
  Plot plot;
  std::string caption;
  bool wide = false;
  std::string file;    // "roc.svg"
  bool small = false;  // one of several, three side by side
};

/// A row of pictures under their values, on a page.
struct Strip {
  struct Picture {
    std::string file, alternative, value, label;
    double bar = 0;  // the value's share, 0 to 1, of the largest among the strips
  };
  std::string title, caption;  // in front of the row
  std::vector<Picture> pictures;
};

struct Presentation {
  std::vector<Tile> tiles;
  std::vector<std::variant<Note, Table, Figure, Strip>> blocks;
  void note(std::string text, Where where = Where::kBoth, Note::Kind kind = Note::Kind::kText) {
    blocks.emplace_back(
        Note{std::move(text), where, kind});  // in place: GCC 12 takes a moved variant for unset
  }
};

/// "warnings" of a result file, and the notes of it: on a page alone, for the terminal has them in its log.
nlohmann::json warnings_json(std::span<const std::string> warnings);
void note_warnings(const nlohmann::json& result, Presentation& shown);

/// Notes and tables for the terminal: plain ASCII, columns aligned. Ends with a line feed.
std::string screen_text(const Presentation& presentation);

/// A number of a JSON object, or NaN.
double number_at(const nlohmann::json& object, const std::string& key);
/// A text of a JSON object as core/text.h wrote it, or `absent`.
std::string text_at(const nlohmann::json& object, const std::string& key, const std::string& absent = "");
/// An object or a list of a JSON object; empty where it has none.
const nlohmann::json& object_at(const nlohmann::json& object, const char* key);
const nlohmann::json& list_at(const nlohmann::json& object, const char* key);
/// The object at place i of a list; empty where there is none.
const nlohmann::json& row_at(const nlohmann::json& list, std::size_t i);
/// What readers see for the key of a score: "quality-aware" for qmf.
std::string score_label(const std::string& key);

/// CSV: the fields of a line; a whole field as a number ("inf" too), or NaN.
std::vector<std::string> split_csv(const std::string& line);
double csv_number(const std::string& field);

/// "NAME.svg" of any text: letters, digits, '-', '.' and '_' stay, anything else is '_'.
std::string figure_name(const std::string& text);

/// Stands for a figure that is not there.
inline constexpr const char* kNoFigure = "\xE2\x80\x93";
/// "12.34", or kNoFigure for NaN.
std::string number(double value, int digits);
/// 100 * fraction with two decimals, or kNoFigure.
std::string percent(double fraction);
/// "90.17 ± 2.13" of two fractions.
std::string percent_std(double mean, double std);
/// A correlation: "-0.970", or "undefined".
std::string correlation(double rho);

}  // namespace qcface::eval
