// `identify`: anyone's probes searched in anyone's gallery, closed and open set (protocols.md section 9).
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "harness/console/usage.h"
#include "harness/data/lists/subject_list.h"
#include "harness/eval/measures/templates.h"
#include "harness/eval/protocol.h"
#include "harness/eval/protocols/search.h"

namespace qcface::eval {
namespace {

using nlohmann::json;
using Kind = Note::Kind;

constexpr double kFpirs[] = {0.001, 0.01, 0.1};

// Gallery rows: pictures, or a row for each subject.
struct Gallery {
  std::vector<float> pooled;  // empty: the pictures' own rows
  nn::RowsView rows;
  std::vector<std::int64_t> subjects;
};

class IdentifyMeasurement final : public Measurement {
 public:
  void add_options(OptionTable& table) override {
    table.add("--gallery", gallery_place_,
              "Gallery: lines `path subject` (or `path index subject`) of pictures below DATA, or a folder "
              "of subject folders");
    table.add("--probe", probe_place_,
              "Probes, alike; a subject that is not in the gallery makes the set an open one");
    table.add_choice(
        "--template-reduce", reduce_,
        {{"none", std::nullopt},
         {"mean", Reduce::kMean},
         {"sum", Reduce::kSum},
         {"Q", Reduce::kQuality},
         {"q1", Reduce::kQuality1},
         {"unit", Reduce::kUnitMean}},
        "Pool the gallery's pictures of a subject; none: each stands for itself, and the best counts");
    table.add_flag("--allow-missing", allow_missing_,
                   "Leave pictures out that are missing, and count them; else that is an error");
    scores_.add_options(table);
  }

  void settle(const OptionTable& table) override {
    require_usage(
        !gallery_place_.empty() && !probe_place_.empty(),
        "--gallery and --probe are needed: lists of lines `path subject`, or folders of subject folders");
    scores_.settle(table, preset);
  }

  void read() override {
    chosen_ = scores_.scores();
    numbers_ = {};
    const data::SubjectListOptions options{names, allow_missing_};
    gallery_ = data::read_subjects(gallery_place_, folder, numbers_, options);
    probes_ = data::read_subjects(probe_place_, folder, numbers_, options);
    warnings_.clear();
    for (const auto& [place, list] :
         {std::pair{&gallery_place_, &gallery_}, std::pair{&probe_place_, &probes_}}) {
      if (list->left_out > 0)
        warnings_.push_back(fmt::format("{}: {} of {} pictures are missing and left out", *place,
                                        list->left_out, list->left_out + list->files.size()));
    }
    const std::unordered_set<std::string_view> known(gallery_.files.begin(), gallery_.files.end());
    const auto both = std::count_if(probes_.files.begin(), probes_.files.end(),
                                    [&](const std::string& file) { return known.count(file) > 0; });
    if (both > 0)
      warnings_.push_back(fmt::format("{} of {} probes are pictures of the gallery too, and find themselves",
                                      both, probes_.files.size()));
    for (const std::string& warning : warnings_) log::warn("{}", warning);
  }

  Result run(FeatureSource& features) override {
    for (const auto* list : {&gallery_, &probes_})
      features.add_data(list->subjects.data(), list->subjects.size() * sizeof list->subjects[0]);
    const auto rows_of = [&](const data::SubjectList& list) {
      Embeddings embeddings = features.of(list.files);
      for (data::CorruptPicture& picture : embeddings.corrupt) corrupt_.push_back(std::move(picture));
      seconds_ += embeddings.seconds;
      return take_readable(std::move(embeddings));
    };
    corrupt_.clear();
    seconds_ = 0;
    const ReadableRows gallery_rows = rows_of(gallery_), probe_rows = rows_of(probes_);
    const Gallery gallery = gallery_of(gallery_rows);
    const std::vector<std::int64_t> probe_subjects = subjects_of(probes_, probe_rows);
    const auto probe_name = [&](std::int64_t row) {
      return "probe " +
             probes_.names[static_cast<std::size_t>(probe_rows.picture[static_cast<std::size_t>(row)])];
    };
    Search what;
    what.probes = probe_rows.rows(0, static_cast<std::int64_t>(probe_rows.picture.size()));
    what.gallery = gallery.rows;
    what.probe_name = probe_name;
    what.mates = find_mates(
        probe_subjects, gallery.subjects, MateRule::kAny, probe_name,
        [&](std::int64_t row) { return numbers_.name(gallery.subjects[static_cast<std::size_t>(row)]); });
    what.ranks = {1, 5, 10, 20};
    const std::int64_t mated = what.mates.mated_probes();
    require(mated > 0, "{}: no probe has a mate in the gallery {}: are subjects called alike in both?",
            probe_place_, gallery_place_);
    if (mated < what.probes.count) {
      what.galleries = {{0, gallery.rows.count}};
      what.fpirs.assign(std::begin(kFpirs), std::end(kFpirs));
    }

    Result result;
    result.json = description(what, gallery, gallery_rows, mated, features.options().flip);
    json& scores = result.json["scores"] = json::array();
    for (const SearchScores::Score& score : chosen_)
      scores.push_back(search(*scorer, what, score, result.sheets));
    result.json["conditions"] = conditions_json(features, "gallery", gallery_place_);
    result.json["conditions"]["probes"] = to_json_text(probe_place_);
    result.json["conditions"]["pictures"] = to_json_text(folder.string());
    result.sheets["identify.csv"] = search_csv(scores);
    add_search_figures(scores, result);
    result.headline += fmt::format(" ({} probes, {} in the gallery)", what.probes.count, what.gallery.count);
    return result;
  }

 private:
  static std::vector<std::int64_t> subjects_of(const data::SubjectList& list, const ReadableRows& rows) {
    std::vector<std::int64_t> subjects;
    for (const std::int64_t picture : rows.picture)
      subjects.push_back(list.subjects[static_cast<std::size_t>(picture)]);
    return subjects;
  }

  Gallery gallery_of(const ReadableRows& rows) const {
    Gallery gallery;
    gallery.subjects = subjects_of(gallery_, rows);
    gallery.rows = rows.rows(0, static_cast<std::int64_t>(rows.picture.size()));
    if (!reduce_) return gallery;
    const std::vector<std::int64_t> one_media(gallery.subjects.size(), 0);
    const TemplateGroups groups = group_templates(gallery.subjects, one_media);
    const PooledTemplates pooled = pool_templates(gallery.rows, groups, {*reduce_, Reduce::kMean});
    gallery.pooled.assign(pooled.rows.begin(), pooled.rows.end());  // the probes' type
    gallery.rows = {static_cast<std::int64_t>(groups.size()), rows.width, gallery.pooled.data(), nullptr};
    gallery.subjects = groups.ids;
    return gallery;
  }

  json description(const Search& what, const Gallery& gallery, const ReadableRows& gallery_rows,
                   std::int64_t mated, FlipFusion flip) const {
    std::vector<std::int64_t> subjects = gallery.subjects;
    std::sort(subjects.begin(), subjects.end());
    json whole{{"format", "qcface-identify/1"},
               {"units", "fractions, 0..1"},
               {"gallery",
                {{"pictures", gallery_.files.size()},
                 {"readable", gallery_rows.picture.size()},
                 {"rows", gallery.rows.count},
                 {"subjects", std::unique(subjects.begin(), subjects.end()) - subjects.begin()}}},
               {"probes",
                {{"pictures", probes_.files.size()},
                 {"readable", what.probes.count},
                 {"mated", mated},
                 {"nonmated", what.probes.count - mated}}},
               {"template_reduce", reduce_ ? name_of(*reduce_) : "none"},
               {"flip", name_of(flip)},
               {"embed_seconds", seconds_},
               {"corrupt", corrupt_json(corrupt_)},
               {"warnings", warnings_json(warnings_)}};
    if (const auto& constants = scores_.constants()) {
      whole["qmf_constants"] = constants_json(*constants);
    }
    return whole;
  }

  std::string gallery_place_, probe_place_;
  std::optional<Reduce> reduce_;
  bool allow_missing_ = false;
  SearchScores scores_;
  std::vector<SearchScores::Score> chosen_;
  data::SubjectNumbers numbers_;
  data::SubjectList gallery_, probes_;
  std::vector<std::string> warnings_;
  std::vector<data::CorruptPicture> corrupt_;
  double seconds_ = 0;
};

Presentation present_identify(const Result& result) {
  const json &whole = result.json, &probes = object_at(whole, "probes"),
             &gallery = object_at(whole, "gallery");
  Presentation shown;
  const std::string reduce = text_at(whole, "template_reduce", "none");
  shown.note(
      fmt::format("{:.0f} probes ({:.0f} mated, {:.0f} not) in a gallery of {:.0f} rows, {:.0f} subjects{}; "
                  "flip fusion {}",
                  number_at(probes, "readable"), number_at(probes, "mated"), number_at(probes, "nonmated"),
                  number_at(gallery, "rows"), number_at(gallery, "subjects"),
                  reduce == "none" ? "" : ", pooled by " + reduce, text_at(whole, "flip", "unknown")));
  const double unreadable = number_at(probes, "pictures") - number_at(probes, "readable") +
                            number_at(gallery, "pictures") - number_at(gallery, "readable");
  if (unreadable > 0) {
    shown.note(
        fmt::format("{:.0f} pictures could not be read: {:.0f} probes and {:.0f} of the gallery are left out",
                    unreadable, number_at(probes, "pictures") - number_at(probes, "readable"),
                    number_at(gallery, "pictures") - number_at(gallery, "readable")),
        Where::kBoth, Kind::kWarning);
  }
  if (number_at(probes, "nonmated") == 0)
    shown.note("every probe's subject is in the gallery: there are no open-set figures", Where::kBoth,
               Kind::kSmall);
  note_warnings(whole, shown);
  present_search(result, list_at(whole, "scores"), "Identification", shown);
  return shown;
}

}  // namespace

extern const Protocol kIdentify;
const Protocol kIdentify{
    "identify",
    "Identify probes in a gallery, both anyone's: ranks, and TPIR at FPIR where probes have no mate",
    "Folder that the lists' paths are below",
    "identify.json, identify.csv, cmc.csv, cmc.svg, det.csv, det.svg",
    "Identification",
    "identification",
    nullptr,
    {"cmc.csv", "det.csv"},
    [] { return std::unique_ptr<Measurement>(std::make_unique<IdentifyMeasurement>()); },
    present_identify};

}  // namespace qcface::eval
