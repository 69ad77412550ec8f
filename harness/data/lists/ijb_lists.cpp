#include "harness/data/lists/ijb_lists.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "harness/console/interrupt.h"
#include "harness/data/lists/ijb_pairs.h"
#include "harness/data/lists/list_text.h"

namespace qcface::data {
namespace fs = std::filesystem;
namespace {

constexpr double kLargestPoint = 1e6;

struct Published {
  const char* dataset;
  std::size_t pictures, templates, pairs, same, gallery, probes;
};
constexpr Published kPublished[] = {{"IJBB", 227630, 12115, 8010270, 10270, 1845, 10270},
                                    {"IJBC", 469375, 23124, 15658489, 19557, 3531, 19593}};

fs::path meta_file(const IjbPlace& place, const char* name) {
  return place.root / "meta" / (lower_case(place.dataset) + "_" + name);
}

// The next field; what is left of the row stays behind.
std::string_view take(std::string_view& row, char separator) {
  const std::size_t end = std::min(row.find(separator), row.size());
  const std::string_view field = row.substr(0, end);
  row.remove_prefix(std::min(end + 1, row.size()));
  if (separator == ' ') row.remove_prefix(std::min(row.find_first_not_of(" \t"), row.size()));
  return field;
}

template <class T>
std::optional<T> number(std::string_view field) {
  T value{};
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error != std::errc{} || end != field.data() + field.size()) return std::nullopt;
  return value;
}

// Both files of pictures, row by row.
void read_pictures(const IjbPlace& place, IjbLists& lists) {
  const fs::path points_file = meta_file(place, "name_5pts_score.txt"),
                 media_file = meta_file(place, "face_tid_mid.txt");
  const ListText points_text(points_file), media_text(media_file);
  const std::vector<ListLine>&points = points_text.lines(), &media = media_text.lines();
  require(!points.empty(), "{}: no picture in this list", points_file.string());
  const std::size_t rows = std::min(points.size(), media.size());
  lists.files.reserve(rows);
  lists.points.reserve(rows);
  for (std::size_t i = 0; i < rows; ++i) {
    std::string_view rest = points[i].text;
    const std::string_view name = take(rest, ' ');
    double values[11];
    bool good = true;
    for (double& value : values) {
      const std::optional<double> found = number<double>(take(rest, ' '));
      good = good && found && std::abs(*found) <= kLargestPoint;
      value = found.value_or(0);
    }
    require(
        good && rest.empty(),
        "{}: line {}: expected a picture, x and y of 5 points and a score (12 fields, one blank between), "
        "found '{}'",
        points_file.string(), points[i].number, printable(points[i].text, kPrintedBytes));
    require(!name.starts_with('/') && name.find("../") == std::string_view::npos,
            "{}: line {}: {} lies outside loose_crop", points_file.string(), points[i].number,
            printable(name, kPrintedBytes));
    FivePoints five;
    for (std::size_t p = 0; p < five.size(); ++p) five[p] = {values[2 * p], values[2 * p + 1]};

    rest = media[i].text;
    const std::string_view second = take(rest, ' ');
    const auto template_id = number<std::int64_t>(take(rest, ' ')),
               media_id = number<std::int64_t>(take(rest, ' '));
    require(template_id && media_id && rest.empty(),
            "{}: line {}: expected a picture, its template and its media (3 fields, one blank between), "
            "found '{}'",
            media_file.string(), media[i].number, printable(media[i].text, kPrintedBytes));
    require(
        name == second,
        "{}: line {} is of {}, but line {} of {} is of {}: row i of both files must be one picture; get both "
        "from one source",
        media_file.string(), media[i].number, printable(second, kPrintedBytes), points[i].number,
        points_file.filename().string(), printable(name, kPrintedBytes));
    lists.files.emplace_back(name);
    lists.lines.push_back(points[i].number);
    lists.points.push_back(five);
    lists.detector.push_back(static_cast<float>(values[10]));
    lists.template_of.push_back(*template_id);
    lists.media_of.push_back(*media_id);
  }
  require(points.size() == media.size(),
          "{} holds {} pictures, {} holds {}: from line {} on one of them has no row in the other",
          points_file.string(), points.size(), media_file.string(), media.size(),
          points.size() > rows ? points[rows].number : media[rows].number);
  lists.templates = lists.template_of;
  std::sort(lists.templates.begin(), lists.templates.end());
  lists.templates.erase(std::unique(lists.templates.begin(), lists.templates.end()), lists.templates.end());
}

IjbSubjects read_subjects(const fs::path& file, const TemplateIndex& index, IjbLists& lists) {
  const ListText text(file);
  constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
  std::vector<std::size_t> first(lists.templates.size(), kNone);  // row of each template
  std::vector<std::pair<std::int64_t, std::size_t>> rows;         // subject, line
  std::size_t changes = 0, changed_line = 0;
  for (const ListLine& line : text.lines()) {
    std::string_view rest = line.text;
    const auto template_id = number<std::int64_t>(take(rest, ',')),
               subject = number<std::int64_t>(take(rest, ','));
    if (!template_id && rows.empty() && &line == text.lines().data()) continue;  // the heading
    require(template_id && subject, "{}: line {}: expected template,subject,... in whole numbers, found '{}'",
            file.string(), line.number, printable(line.text, kPrintedBytes));
    const std::int32_t place = index.find(*template_id);
    require(place >= 0, "{}: line {}: template {} is in no row of {}", file.string(), line.number,
            *template_id, meta_file(lists.place, "face_tid_mid.txt").filename().string());
    std::size_t& row = first[static_cast<std::size_t>(place)];
    if (row == kNone) {
      row = rows.size();
      rows.emplace_back(*subject, line.number);
    } else if (rows[row].first != *subject && changes++ == 0) {
      changed_line = line.number;
    }
  }
  require(!rows.empty(), "{}: no template in this list", file.string());
  if (changes > 0) {
    lists.warnings.push_back(fmt::format(
        "{}: {} rows, the first on line {}, give a template another subject than its first row, which counts",
        file.string(), changes, changed_line));
  }
  IjbSubjects subjects;
  subjects.file = file;
  for (std::size_t place = 0; place < first.size(); ++place) {
    if (first[place] == kNone) continue;
    subjects.templates.push_back(static_cast<std::int32_t>(place));
    subjects.subjects.push_back(rows[first[place]].first);
    subjects.lines.push_back(rows[first[place]].second);
  }
  return subjects;
}

void require_apart(const IjbLists& lists) {
  const auto& [first, second] = lists.gallery;
  for (std::size_t i = 0, k = 0; i < first.size() && k < second.size();) {
    if (first.templates[i] == second.templates[k]) {
      fail("{}: line {}: template {} is in {} too, line {}; a template belongs to one gallery",
           second.file.string(), second.lines[k],
           lists.templates[static_cast<std::size_t>(first.templates[i])], first.file.filename().string(),
           first.lines[i]);
    }
    ++(first.templates[i] < second.templates[k] ? i : k);
  }
}

void compare_with_published(IjbLists& lists, const IjbParts& parts) {
  for (const Published& published : kPublished) {
    if (lists.place.dataset != published.dataset) continue;
    std::string differing;
    const auto compare = [&](const char* what, std::size_t found, std::size_t expected) {
      if (found == expected) return;
      differing += fmt::format("{}{} {} ({})", differing.empty() ? "" : ", ", found, what, expected);
    };
    compare("pictures", lists.files.size(), published.pictures);
    compare("templates", lists.templates.size(), published.templates);
    if (parts.pairs) {
      compare("pairs", lists.pairs.size(), published.pairs);
      compare("pairs of one person",
              static_cast<std::size_t>(std::count(lists.same.begin(), lists.same.end(), 1)), published.same);
    }
    if (parts.identification) {
      compare("gallery templates", lists.gallery[0].size() + lists.gallery[1].size(), published.gallery);
      compare("probes", lists.probes.size(), published.probes);
    }
    if (!differing.empty()) {
      lists.warnings.push_back(fmt::format("{}: not the published {} (whose sizes stand in brackets): {}",
                                           lists.place.root.string(), published.dataset, differing));
    }
  }
}

}  // namespace

IjbPlace find_ijb(const fs::path& folder, const std::string& dataset) {
  std::vector<IjbPlace> found;
  std::error_code unreadable;
  for (const Published& known : kPublished) {
    if (!dataset.empty() && dataset != known.dataset) continue;
    for (const fs::path& root : {folder / known.dataset, folder}) {
      const IjbPlace place{known.dataset, root};
      if (!fs::exists(meta_file(place, "face_tid_mid.txt"), unreadable)) continue;
      found.push_back(place);
      break;
    }
  }
  const std::string wanted = dataset.empty() ? "IJBC" : dataset;
  require(!found.empty(),
          "{}: neither meta/{}_face_tid_mid.txt nor {}/meta/{}_face_tid_mid.txt is in this folder",
          folder.string(), lower_case(wanted), wanted, lower_case(wanted));
  require(found.size() == 1, "{}: both IJBB and IJBC are there: choose one with --dataset_name",
          folder.string());
  return found.front();
}

IjbLists read_ijb_lists(const IjbPlace& place, const IjbParts& parts, int threads) {
  IjbLists lists;
  lists.place = place;
  read_pictures(place, lists);
  stop_if_interrupted();
  const TemplateIndex index(lists.templates);
  if (parts.pairs) {
    IjbPairs pairs = read_ijb_pairs(meta_file(place, "template_pair_label.txt"), index, threads);
    lists.pairs = std::move(pairs.pairs);
    lists.same = std::move(pairs.same);
  }
  if (parts.identification) {
    const char letter = place.dataset == "IJBB" ? 'S' : 'G';
    for (std::size_t i = 0; i < lists.gallery.size(); ++i) {
      const fs::path file = meta_file(place, fmt::format("1N_gallery_{}{}.csv", letter, i + 1).c_str());
      lists.gallery[i] = read_subjects(file, index, lists);
    }
    require_apart(lists);
    lists.probes = read_subjects(meta_file(place, "1N_probe_mixed.csv"), index, lists);
  }
  compare_with_published(lists, parts);
  return lists;
}

void require_ijb_pictures(const IjbLists& lists, const PictureNames* names) {
  const fs::path folder = lists.place.root / "loose_crop";
  std::size_t missing = 0, first = 0;
  for (std::size_t i = 0; i < lists.files.size(); ++i) {
    if (i % 1024 == 0) stop_if_interrupted();
    if (!picture_is_there(folder / lists.files[i], names) && missing++ == 0) first = i;
  }
  if (missing == 0) return;
  fail("{}: line {}: {} is not in {} ({} of {} pictures are missing)",
       meta_file(lists.place, "name_5pts_score.txt").string(), lists.lines[first],
       printable(lists.files[first], kPrintedBytes), names != nullptr ? names->what() : folder.string(),
       missing, lists.files.size());
}

}  // namespace qcface::data
