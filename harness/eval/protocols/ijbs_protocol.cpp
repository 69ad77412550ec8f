// `ijbs`: the five experiments of IJB-S (protocols.md section 11), written after published code and never checked against the
// real set: its results say so everywhere.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "harness/console/interrupt.h"
#include "harness/console/usage.h"
#include "harness/data/lists/ijbs_lists.h"
#include "harness/eval/protocol.h"
#include "harness/eval/protocols/search.h"

namespace qcface::eval {
namespace {

using nlohmann::json;
using Kind = Note::Kind;

constexpr double kFars[] = {0.01, 0.1};
constexpr const char* kUnvalidated =
    "unvalidated: written after published code, and never run on the real IJB-S here";

class IjbsMeasurement final : public Measurement {
 public:
  void add_options(OptionTable& table) override {
    table.add("--image_list", image_list_,
              "CSV with a column path: the crops there are; empty: image_list*.csv in DATA, else those that "
              "lie there");
    table.add("--fuse_match_method", fuse_,
              "Taken from published commands: pre_norm_vector_add_cos, which is what is done");
  }
  void settle(const OptionTable& /*table*/) override {
    require_usage(fuse_ == "pre_norm_vector_add_cos",
                  "--fuse_match_method {} is not known, expected pre_norm_vector_add_cos", fuse_);
  }

  void read() override {
    lists_ = data::read_ijbs_lists(folder, image_list_, names);
    for (const std::string& warning : lists_.warnings) log::warn("{}", warning);
    require(!lists_.files.empty(), "{}: no template of the lists has a crop", folder.string());
  }

  Result run(FeatureSource& features) override {
    for (const data::IjbsExperiment& experiment : lists_.experiments) {
      for (const data::IjbsTemplate& probe : experiment.probes)
        features.add_data(probe.pictures.data(), probe.pictures.size() * sizeof probe.pictures[0]);
    }
    const Embeddings embeddings = features.of(lists_.files);
    Result result;
    result.json = {{"format", "qcface-ijbs/1"},
                   {"units", "fractions, 0..1"},
                   {"unvalidated", kUnvalidated},
                   {"pictures", embeddings.count},
                   {"unreadable", std::count(embeddings.valid.begin(), embeddings.valid.end(), 0)},
                   {"flip", name_of(embeddings.flip)},
                   {"embed_seconds", embeddings.seconds},
                   {"corrupt", corrupt_json(embeddings.corrupt)},
                   {"warnings", warnings_json(lists_.warnings)},
                   {"conditions", conditions_json(features, "pictures", folder)}};
    json& experiments = result.json["experiments"] = json::array();
    for (const data::IjbsExperiment& experiment : lists_.experiments)
      experiments.push_back(measure(experiment, embeddings, result.sheets));
    result.sheets["ijbs.csv"] = search_csv(experiments);
    for (const json& experiment : experiments) {
      const std::string name = text_at(experiment, "name");
      for (const json& row : list_at(experiment, "top"))
        result.figures[fmt::format("{}_rank_{:.0f}", name, number_at(row, "rank"))] = number_at(row, "rate");
    }
    result.headline = fmt::format("IJB-S (unvalidated): surveillance to single, rank-1 {}%",
                                  percent(number_at(list_at(experiments[0], "top")[0], "rate")));
    return result;
  }

 private:
  // Sums of raw embeddings; readable crops alone. A template without any is zero.
  static void add_rows(const std::vector<data::IjbsTemplate>& templates, const Embeddings& embeddings,
                       std::vector<double>& rows, std::vector<std::int64_t>& subjects) {
    const std::size_t width = embeddings.row(0).size();
    for (const data::IjbsTemplate& one : templates) {
      stop_if_interrupted();
      const std::size_t at = rows.size();
      rows.resize(at + width);
      for (const std::int32_t picture : one.pictures) {
        if (!embeddings.valid[static_cast<std::size_t>(picture)]) continue;
        const std::span<const float> row = embeddings.row(picture);
        for (std::size_t d = 0; d < width; ++d) rows[at + d] += static_cast<double>(row[d]);
      }
      subjects.push_back(one.subject);
    }
  }

  json measure(const data::IjbsExperiment& experiment, const Embeddings& embeddings,
               std::map<std::string, std::string>& sheets) const {
    std::vector<double> probes, gallery;
    std::vector<std::int64_t> probe_subjects, gallery_subjects;
    add_rows(experiment.probes, embeddings, probes, probe_subjects);
    for (const auto& part : experiment.galleries) add_rows(part, embeddings, gallery, gallery_subjects);
    const std::int64_t width = static_cast<std::int64_t>(embeddings.row(0).size());
    const std::int64_t first = static_cast<std::int64_t>(experiment.galleries[0].size());
    const std::int64_t all = static_cast<std::int64_t>(gallery_subjects.size());
    Search what;
    what.probes = {static_cast<std::int64_t>(probe_subjects.size()), width, nullptr, probes.data()};
    what.gallery = {all, width, nullptr, gallery.data()};
    what.probe_name = [&](std::int64_t row) {
      return experiment.name + ": probe " + experiment.probes[static_cast<std::size_t>(row)].name;
    };
    what.mates = find_mates(
        probe_subjects, gallery_subjects, MateRule::kAtMostOne, what.probe_name, [&](std::int64_t row) {
          return row < first ? experiment.galleries[0][static_cast<std::size_t>(row)].name
                             : experiment.galleries[1][static_cast<std::size_t>(row - first)].name;
        });
    what.ranks = {1, 5, 10};
    what.galleries = {{0, first}, {first, all}};
    what.fpirs.assign(std::begin(kFars), std::end(kFars));
    what.rule = OpenSetRule::kIjbs;
    // A row of length 1e-8 and more is divided by its length alone: the added 1e-8 moves no score by more than 2e-8 / length.
    json result = search(*scorer, what, {experiment.name, {nn::ScoreRule::kCosine, 0, 0}}, sheets);
    result["probes"] = what.probes.count;
    result["mated"] = what.mates.mated_probes();
    result["gallery"] = {first, all - first};
    return result;
  }

  std::string image_list_, fuse_ = "pre_norm_vector_add_cos";
  data::IjbsLists lists_;
};

Table experiments_table(const json& experiments) {
  Table table;
  table.columns = {{"experiment", 36}, {"probes", 8}, {"mated", 7}, {"gallery", 12}};
  table.text_columns = 1;
  for (const json& experiment : experiments) {
    const json &top = list_at(experiment, "top"), &tpir = list_at(object_at(experiment, "open_set"), "tpir"),
               &sizes = list_at(experiment, "gallery");
    const bool first = table.rows.empty();
    const auto size = [&](std::size_t g) {
      return g < sizes.size() && sizes[g].is_number() ? number(sizes[g].get<double>(), 0) : kNoFigure;
    };
    Table::Row row{{text_at(experiment, "name"), number(number_at(experiment, "probes"), 0),
                    number(number_at(experiment, "mated"), 0), size(0) + " + " + size(1)},
                   Where::kBoth};
    for (const json& rank : top) {
      if (first) table.columns.push_back({fmt::format("rank {:.0f} %", number_at(rank, "rank")), 11});
      row.cells.push_back(percent(number_at(rank, "rate")));
    }
    for (const json& rate : tpir) {
      if (first) table.columns.push_back({fmt::format("TPIR {:g} %", number_at(rate, "fpir")), 13});
      row.cells.push_back(percent(number_at(rate, "tpir")));
    }
    table.rows.push_back(std::move(row));
  }
  table.caption =
      "Ranks over both galleries, mated probes; TPIR at FPIR by IJB-S's rule, mean of the galleries.";
  return table;
}

Presentation present_ijbs(const Result& result) {
  const json& whole = result.json;
  Presentation shown;
  shown.note("IJB-S, " + text_at(whole, "unvalidated", kUnvalidated), Where::kBoth, Kind::kWarning);
  shown.note(fmt::format("{:.0f} pictures, flip fusion {}", number_at(whole, "pictures"),
                         text_at(whole, "flip", "unknown")));
  if (const double unreadable = number_at(whole, "unreadable"); unreadable > 0) {
    shown.note(
        fmt::format("{:.0f} pictures could not be read and are left out of their templates", unreadable),
        Where::kBoth, Kind::kWarning);
  }
  note_warnings(whole, shown);
  if (Table table = experiments_table(list_at(whole, "experiments")); !table.rows.empty())
    shown.blocks.emplace_back(std::move(table));
  add_search_curves(result, "IJB-S (unvalidated)", shown);
  return shown;
}

}  // namespace

extern const Protocol kIjbs;
const Protocol kIjbs{
    "ijbs",
    "IJB-S, unvalidated: five experiments of surveillance video against stills, closed and open set",
    "Folder of the crops, with the protocol's lists in it",
    "ijbs.json, ijbs.csv, cmc.csv, cmc.svg, det.csv, det.svg",
    "IJB-S (unvalidated)",
    "ijbs",
    nullptr,
    {"cmc.csv", "det.csv"},
    [] { return std::unique_ptr<Measurement>(std::make_unique<IjbsMeasurement>()); },
    present_ijbs};

}  // namespace qcface::eval
