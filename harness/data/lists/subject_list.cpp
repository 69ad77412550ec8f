#include "harness/data/lists/subject_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "harness/data/lists/list_text.h"
#include "harness/data/sets/image_folder.h"

namespace qcface::data {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> subject_fields(const fs::path& list, const ListLine& line) {
  for (const Separator separator :
       {Separator::kTab, Separator::kComma, Separator::kBlanks, Separator::kBlanksOrComma}) {
    auto fields = split_fields(line.text, separator);
    if (!fields || (fields->size() != 2 && fields->size() != 3)) continue;
    if (std::any_of(fields->begin(), fields->end(), [](const std::string& field) { return field.empty(); }))
      continue;
    if (fields->size() == 3 && !whole_number((*fields)[1])) continue;
    return std::move(*fields);
  }
  fail(
      "{}: line {}: expected `path subject` or `path index subject`, found {}; names with blanks need tabs, "
      "commas or double quotes",
      list.string(), line.number, printable(line.text, kPrintedBytes));
}

SubjectList from_folder(const fs::path& folder, SubjectNumbers& numbers) {
  const ImageFolder set = scan_image_folder(folder);
  for (const std::string& warning : set.warnings()) log::warn("{}", warning);
  SubjectList list;
  for (std::int64_t i = 0; i < set.size(); ++i) {
    list.files.push_back(set.path(i));
    list.names.push_back(set.name_in_set(i));
    list.subjects.push_back(numbers.of(set.class_names()[static_cast<std::size_t>(set.label(i))]));
  }
  return list;
}

}  // namespace

std::int64_t SubjectNumbers::of(std::string_view name) {
  const auto [found, added] = number_of_.emplace(std::string(name), static_cast<std::int64_t>(names_.size()));
  if (added) names_.emplace_back(name);
  return found->second;
}

SubjectList read_subjects(const fs::path& place, const fs::path& root, SubjectNumbers& numbers,
                          const SubjectListOptions& options) {
  std::error_code error;
  if (fs::is_directory(place, error)) return from_folder(place, numbers);
  const ListText text(place);
  SubjectList list;
  std::unordered_map<std::string, std::size_t> line_of;
  std::string missing;
  for (const ListLine& line : text.lines()) {
    std::vector<std::string> fields = subject_fields(place, line);
    std::string& name = fields[0];
    std::replace(name.begin(), name.end(), '\\', '/');
    const auto [first, added] = line_of.emplace(name, line.number);
    require(added, "{}: line {}: the picture of line {} again: {}", place.string(), line.number,
            first->second, printable(name, kPrintedBytes));
    std::string file = (root / name).string();
    if (!picture_is_there(file, options.names)) {
      if (++list.left_out <= kMostNamed)
        missing += fmt::format("{}{} (line {})", list.left_out > 1 ? ", " : "",
                               printable(name, kPrintedBytes), line.number);
      continue;
    }
    list.files.push_back(std::move(file));
    list.subjects.push_back(numbers.of(fields.back()));
    list.names.push_back(std::move(name));
  }
  const std::size_t rows = text.lines().size();
  require(rows > 0, "{}: no picture in this list", place.string());
  require(list.left_out == 0 || options.allow_missing,
          "{}: {} of {} pictures are not {}: {}{}; --allow-missing leaves them out", place.string(),
          list.left_out, rows,
          options.names != nullptr ? "among the names of " + options.names->what()
                                   : "below " + (root.empty() ? std::string(".") : root.string()),
          missing, list.left_out > kMostNamed ? ", ..." : "");
  require(!list.files.empty(), "{}: none of its {} pictures is there", place.string(), rows);
  return list;
}

}  // namespace qcface::data
