#include "harness/data/lists/ijbs_lists.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "harness/data/lists/list_text.h"
#include "harness/data/lists/picture_list.h"

namespace qcface::data {
namespace {

namespace fs = std::filesystem;

struct Kind {
  const char *name, *probes, *gallery;
  bool all_videos;  // of a person in one template
};
constexpr Kind kKinds[] = {
    {"surveillance_to_single", "surveillance_to_single-booking", "single", false},
    {"surveillance_to_booking", "surveillance_to_single-booking", "booking", false},
    {"multi_view_surveillance_to_booking", "surveillance_to_single-booking", "booking", true},
    {"surveillance_to_surveillance", "surveillance_to_surveillance", "surveillance", false},
    {"uav_to_booking", "uav_to_single-booking", "booking", false}};

struct Row {
  std::size_t line = 0;
  std::vector<std::string> fields;
};

// "videos/305.mp4" -> "videos_305", as crops are called.
std::string media_of(std::string file) {
  std::replace(file.begin(), file.end(), '\\', '/');
  const std::size_t slash = file.rfind('/'), point = file.rfind('.');
  if (point != std::string::npos && (slash == std::string::npos || point > slash)) file.resize(point);
  std::replace(file.begin(), file.end(), '/', '_');
  return file;
}

// Rows of at least so many fields; a first one without a file's name in its column `file` is the heading.
std::vector<Row> read_rows(const fs::path& list, std::size_t fields, std::size_t file) {
  const ListText text(list);
  std::vector<Row> rows;
  for (const ListLine& line : text.lines()) {
    auto split = split_fields(line.text, Separator::kComma);
    require(split && split->size() >= fields, "{}: line {}: expected {} fields or more between commas",
            list.string(), line.number, fields);
    if (rows.empty() && &line == &text.lines().front() && (*split)[file].find('.') == std::string::npos)
      continue;
    rows.push_back({line.number, std::move(*split)});
  }
  require(!rows.empty(), "{}: no rows in this list", list.string());
  return rows;
}

class Reader {
 public:
  Reader(fs::path root, const PictureNames* names) : root_(std::move(root)), names_(names) {
    for (const char* below : {"", "protocol", "protocols", "csv"}) {
      std::error_code error;
      if (protocol_.empty() && fs::is_regular_file(root_ / below / "cs6_metadata.csv", error))
        protocol_ = root_ / below;
    }
    require(!protocol_.empty(), "{}: no cs6_metadata.csv in it, or in protocol, protocols or csv below it",
            root_.string());
  }

  IjbsLists read(const fs::path& image_list) {
    read_crops(image_list);
    read_metadata();
    std::size_t empty = 0, all = 0;
    for (const Kind& kind : kKinds) {
      IjbsExperiment& experiment = lists_.experiments.emplace_back();
      experiment.name = kind.name;
      experiment.probes = probes_of(kind);
      for (int g = 0; g < 2; ++g)
        experiment.galleries[static_cast<std::size_t>(g)] = gallery_of(
            protocol_ / "galleries" / fmt::format("cs6_surveillance_to_{}_g{}.csv", kind.gallery, g + 1));
      for (const auto* templates : {&experiment.probes, &experiment.galleries[0], &experiment.galleries[1]}) {
        all += templates->size();
        for (const IjbsTemplate& one : *templates) empty += one.pictures.empty() ? 1 : 0;
      }
    }
    if (empty > 0)
      lists_.warnings.push_back(
          fmt::format("{} of {} templates have no crop: they are zero vectors, which score 0", empty, all));
    return std::move(lists_);
  }

 private:
  void read_crops(fs::path image_list) {
    std::error_code error;
    std::vector<fs::path> found;
    if (image_list.empty() && fs::is_directory(root_, error)) {
      for (const auto& entry : fs::directory_iterator(root_)) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with("image_list") && name.ends_with(".csv")) found.push_back(entry.path());
      }
      if (found.size() == 1) image_list = found[0];
    }
    if (!image_list.empty()) {
      read_image_list(image_list);
    } else if (names_ != nullptr) {
      for (std::size_t row = 0; row < names_->size(); ++row) add_crop((root_ / (*names_)[row]).string());
    } else {
      for (const std::string& file : list_pictures(root_).files) add_crop(file);
    }
    require(!crops_.empty(), "{}: no crop <person>/videos_<video>_<frame>.jpg or <person>/img_<n>.jpg",
            root_.string());
  }

  void read_image_list(const fs::path& list) {
    const ListText text(list);
    require(!text.lines().empty(), "{}: no rows in this list", list.string());
    const auto heading = split_fields(text.lines().front().text, Separator::kComma);
    const auto column = heading ? std::find(heading->begin(), heading->end(), "path")
                                : std::vector<std::string>::const_iterator{};
    require(heading && column != heading->end(), "{}: line {}: expected a heading with a column path",
            list.string(), text.lines().front().number);
    const std::size_t at = static_cast<std::size_t>(column - heading->begin());
    std::size_t missing = 0;
    std::string examples;
    for (std::size_t i = 1; i < text.lines().size(); ++i) {
      const ListLine& line = text.lines()[i];
      const auto fields = split_fields(line.text, Separator::kComma);
      require(fields && fields->size() > at && !(*fields)[at].empty(),
              "{}: line {}: expected a path in column {}", list.string(), line.number, at + 1);
      const std::string file = (root_ / (*fields)[at]).string();
      if (picture_is_there(file, names_)) {
        add_crop(file);
      } else if (++missing <= kMostNamed) {
        examples += fmt::format("{}{} (line {})", missing > 1 ? ", " : "",
                                printable((*fields)[at], kPrintedBytes), line.number);
      }
    }
    require(missing == 0, "{}: {} pictures are not there: {}{}", list.string(), missing, examples,
            missing > kMostNamed ? ", ..." : "");
  }

  // A frame belongs to its video, a still to itself; other pictures to nothing.
  void add_crop(const std::string& file) {
    const std::string stem = fs::path(file).stem().string();
    const std::string person = fs::path(file).parent_path().filename().string();
    std::string media = stem;
    if (stem.starts_with("videos_")) media.resize(stem.rfind('_'));
    crops_[person + "/" + media].push_back(file);
  }

  void read_metadata() {
    const fs::path list = protocol_ / "cs6_metadata.csv";
    for (const Row& row : read_rows(list, 2, 1)) people_[media_of(row.fields[1])].insert(row.fields[0]);
  }

  std::int64_t number_of(const std::string& person) {
    return number_of_.emplace(person, static_cast<std::int64_t>(number_of_.size())).first->second;
  }

  // Files are embedded once, whichever templates they are in.
  void add_pictures(IjbsTemplate& to, const std::string& person, const std::string& media) {
    const auto crops = crops_.find(person + "/" + media);
    if (crops == crops_.end()) return;
    for (const std::string& file : crops->second) {
      const auto [row, added] = row_of_.emplace(file, static_cast<std::int32_t>(lists_.files.size()));
      if (added) lists_.files.push_back(file);
      to.pictures.push_back(row->second);
    }
  }

  std::vector<IjbsTemplate> probes_of(const Kind& kind) {
    const fs::path list = protocol_ / fmt::format("cs6_{}_probe.csv", kind.probes);
    std::vector<IjbsTemplate> probes;
    std::map<std::string, std::size_t> of_person;
    std::map<std::string, std::size_t> line_of;
    for (const Row& row : read_rows(list, 1, 0)) {
      const std::string& file = row.fields[0];
      const std::string media = media_of(file);
      const auto [first, added] = line_of.emplace(media, row.line);
      require(added, "{}: line {}: the file of line {} again: {}", list.string(), row.line, first->second,
              printable(file, kPrintedBytes));
      const auto people = people_.find(media);
      require(people != people_.end(), "{}: line {}: {} is not in cs6_metadata.csv, which says whom it shows",
              list.string(), row.line, printable(file, kPrintedBytes));
      for (const std::string& person : people->second) {
        const auto [known, fresh] = of_person.emplace(person, probes.size());
        if (fresh || !kind.all_videos) {
          probes.push_back({fmt::format("person {}, {}", printable(person, kPrintedBytes),
                                        kind.all_videos ? "all videos" : printable(file, kPrintedBytes)),
                            number_of(person),
                            {}});
        }
        add_pictures(kind.all_videos ? probes[known->second] : probes.back(), person, media);
      }
    }
    return probes;
  }

  std::vector<IjbsTemplate> gallery_of(const fs::path& list) {
    std::vector<IjbsTemplate> gallery;
    std::map<std::string, std::size_t> of_person;
    std::map<std::string, std::size_t> line_of;
    for (const Row& row : read_rows(list, 3, 2)) {
      const std::string &person = row.fields[1], media = media_of(row.fields[2]);
      const auto [first, added] = line_of.emplace(person + "/" + media, row.line);
      require(added, "{}: line {}: person and file of line {} again: {}, {}", list.string(), row.line,
              first->second, printable(person, kPrintedBytes), printable(row.fields[2], kPrintedBytes));
      const auto [known, fresh] = of_person.emplace(person, gallery.size());
      if (fresh)
        gallery.push_back(
            {fmt::format("person {}, {}", printable(person, kPrintedBytes), list.filename().string()),
             number_of(person),
             {}});
      add_pictures(gallery[known->second], person, media);
    }
    return gallery;
  }

  const fs::path root_;
  const PictureNames* names_;
  fs::path protocol_;
  std::unordered_map<std::string, std::vector<std::string>> crops_;  // person/media -> files
  std::unordered_map<std::string, std::set<std::string>> people_;    // media -> people
  std::unordered_map<std::string, std::int64_t> number_of_;
  std::unordered_map<std::string, std::int32_t> row_of_;
  IjbsLists lists_;
};

}  // namespace

IjbsLists read_ijbs_lists(const fs::path& root, const fs::path& image_list, const PictureNames* names) {
  return Reader(root, names).read(image_list);
}

}  // namespace qcface::data
