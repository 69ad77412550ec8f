#include "harness/eval/results.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/text.h"
#include "harness/report/roc_plot.h"

namespace qcface::eval {
namespace {

using nlohmann::json;

json optional_number(const std::optional<double>& value) { return value ? json(*value) : json(nullptr); }

json folds_json(const std::vector<KfoldFold>& folds) {
  json list = json::array();
  for (const KfoldFold& fold : folds) {
    list.push_back({{"pairs", fold.pairs}, {"threshold", fold.threshold}, {"accuracy", fold.accuracy}});
  }
  return list;
}

json corrupt_json(const std::vector<data::CorruptPicture>& corrupt) {
  json list = json::array();
  for (const data::CorruptPicture& picture : corrupt) {
    list.push_back({{"path", to_json_text(picture.path)}, {"reason", to_json_text(picture.reason)}});
  }
  return list;
}

json measures_json(const ScoreMeasures& m) {
  json tar = json::array();
  for (const TarRow& row : m.tar) {
    tar.push_back({{"far", row.far},
                   {"resolvable", row.resolvable},
                   {"tar_nearest", row.tar_nearest},
                   {"far_nearest", row.far_nearest},
                   {"tar_strict", row.tar_strict},
                   {"far_strict", row.far_strict},
                   {"threshold_strict", row.threshold_strict}});
  }
  return {{"accuracy_mean", m.kfold.accuracy_mean},
          {"accuracy_std", m.kfold.accuracy_std},
          {"folds", folds_json(m.kfold.folds)},
          {"auc", m.auc},
          {"auc_kfold", m.kfold.auc_kfold},
          {"eer", m.summary.eer},
          {"eer_threshold", m.summary.eer_threshold},
          {"eer_kfold", m.kfold.eer},
          {"best_accuracy", m.summary.best_accuracy},
          {"best_threshold", m.summary.best_threshold},
          {"fnmr_at_fmr_1e-1", fnmr_at_fmr(m.roc, 0.1)},
          {"fnmr_at_fmr_1e-2", fnmr_at_fmr(m.roc, 0.01)},
          {"tar_at_far", tar}};
}

void make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  require(!error, "{}: cannot make the folder: {}", folder.string(), error.message());
}

void append_roc(std::string& csv, std::string_view name, const Roc& roc) {
  for (std::size_t i = 0; i < roc.points.size(); ++i) {
    fmt::format_to(std::back_inserter(csv), "{},{},{},{}\n", name, roc.fpr(i), roc.tpr(i),
                   roc.points[i].threshold);
  }
}

report::RocCurve curve_of(const ScoreMeasures& measures, std::string_view name, int colour, bool dashed) {
  report::RocCurve curve;
  curve.name = fmt::format("{} (AUC {:.2f} %)", name, 100 * measures.auc);
  curve.colour = colour;
  curve.dashed = dashed;
  for (std::size_t i = 0; i < measures.roc.points.size(); ++i) {
    curve.fpr.push_back(measures.roc.fpr(i));
    curve.tpr.push_back(measures.roc.tpr(i));
  }
  return curve;
}

// A CSV field: quoted where it needs to be.
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted.push_back('"');
    quoted.push_back(c);
  }
  return quoted + "\"";
}

std::string dump(const json& value) {
  return value.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace

json to_json(const VerifyResult& r) {
  json insightface{
      {"accuracy_mean", r.insightface.accuracy_mean}, {"accuracy_std", r.insightface.accuracy_std},
      {"folds", folds_json(r.insightface.folds)},     {"val_far_target", r.insightface_val.far_target},
      {"val_mean", r.insightface_val.val_mean},       {"val_std", r.insightface_val.val_std},
      {"val_far_mean", r.insightface_val.far_mean},   {"mean_norm", r.insightface_mean_norm}};
  if (r.insightface_plain) {
    insightface["accuracy_unflipped_mean"] = r.insightface_plain->accuracy_mean;
    insightface["accuracy_unflipped_std"] = r.insightface_plain->accuracy_std;
  }
  json result{{"format", "qcface-verify/1"},
              {"units", "fractions, 0..1"},
              {"images", r.images},
              {"pairs",
               {{"listed", r.pairs_listed},
                {"used", r.same + r.different},
                {"same", r.same},
                {"different", r.different},
                {"excluded", r.pairs_excluded}}},
              {"corrupt", corrupt_json(r.corrupt)},
              {"flip", name_of(r.flip)},
              {"magnitude", {{"min", r.magnitude_min}, {"mean", r.magnitude_mean}, {"max", r.magnitude_max}}},
              {"embed_seconds", r.embed_seconds},
              {"cosine", measures_json(r.cosine)},
              {"insightface", insightface}};
  if (r.qmf && r.constants) {
    result["qmf"] = measures_json(*r.qmf);
    json constants{{"alpha", r.constants->alpha},
                   {"beta", r.constants->beta},
                   {"source", to_json_text(r.constants->source)}};
    if (r.fit) {
      constants["fit"] = {{"max_omega", r.fit->max_omega},
                          {"thresholds", r.fit->thresholds},
                          {"omegas", r.fit->omegas},
                          {"skipped_targets", r.fit->skipped_targets},
                          {"constant_threshold", r.fit->constant_threshold}};
    }
    result["qmf_constants"] = constants;
  }
  return result;
}

json to_json(const DegradationResult& r) {
  json kinds = json::array();
  for (const KindResult& kind : r.kinds) {
    json levels = json::array();
    for (const LevelStats& level : kind.levels) {
      levels.push_back({{"level", level.level},
                        {"count", level.count},
                        {"mean", level.mean},
                        {"min", level.min},
                        {"q1", level.q1},
                        {"median", level.median},
                        {"q3", level.q3},
                        {"max", level.max}});
    }
    json samples = json::array();
    for (const DegradationSample& sample : kind.samples) {
      samples.push_back({{"file", to_json_text(sample.file)},
                         {"source", to_json_text(sample.source)},
                         {"level", sample.level},
                         {"magnitude", sample.magnitude}});
    }
    kinds.push_back({{"kind", to_json_text(kind.kind)},
                     {"spearman_pooled", optional_number(kind.rho_pooled)},
                     {"spearman_source_mean", optional_number(kind.rho_source_mean)},
                     {"spearman_source_median", optional_number(kind.rho_source_median)},
                     {"sources", kind.sources},
                     {"sources_undefined", kind.sources_undefined},
                     {"levels", levels},
                     {"samples", samples}});
  }
  return {{"format", "qcface-degradation/1"},
          {"pictures", r.pictures},
          {"corrupt", corrupt_json(r.corrupt)},
          {"spearman_pooled_mean", optional_number(r.rho_pooled_mean)},
          {"spearman_source_mean", optional_number(r.rho_source_mean)},
          {"kinds", kinds}};
}

void write_verify(const std::filesystem::path& folder, const VerifyResult& result, const json& conditions,
                  std::span<const std::string> files, const Embeddings& embeddings) {
  make_folder(folder);
  FileGroup group;
  group.add(folder / "magnitudes.csv").write(magnitudes_csv(files, embeddings));
  std::string csv = "score,fpr,tpr,threshold\n";
  append_roc(csv, "cosine", result.cosine.roc);
  if (result.qmf) append_roc(csv, "qmf", result.qmf->roc);
  group.add(folder / "roc.csv").write(csv);

  std::vector<report::RocCurve> curves{curve_of(result.cosine, "cosine", 0, false)};
  if (result.qmf) curves.push_back(curve_of(*result.qmf, "quality-aware", 1, true));
  group.add(folder / "roc.svg")
      .write(report::render_svg_file(report::roc_plot(
          curves,
          fmt::format("Verification, {} same and {} different pairs", result.same, result.different))));

  json whole = to_json(result);
  whole["conditions"] = conditions;
  group.add(folder / "verify.json").write(dump(whole));  // last: marks a complete set of files
  group.commit();
}

void write_degradation(const std::filesystem::path& folder, const DegradationResult& result,
                       const json& conditions) {
  make_folder(folder);
  json whole = to_json(result);
  whole["conditions"] = conditions;
  write_file_atomically(folder / "degradation.json", dump(whole));
}

std::string magnitudes_csv(std::span<const std::string> files, const Embeddings& embeddings) {
  require(files.size() == embeddings.magnitudes.size(), "magnitudes: {} names for {} embeddings",
          files.size(), embeddings.magnitudes.size());
  std::string csv = "path,identity,magnitude\n";
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (!embeddings.valid[i]) continue;
    const std::string identity = std::filesystem::path(files[i]).parent_path().filename().string();
    fmt::format_to(std::back_inserter(csv), "{},{},{:.9g}\n", csv_field(files[i]), csv_field(identity),
                   embeddings.magnitudes[i]);
  }
  return csv;
}

}  // namespace qcface::eval
