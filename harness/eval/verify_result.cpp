// verify.json, and how it is shown.
#include <fmt/format.h>

#include <cmath>
#include <sstream>
#include <utility>

#include "core/text.h"
#include "harness/eval/csv.h"
#include "harness/eval/protocol.h"
#include "harness/eval/verify.h"
#include "harness/plot/roc_plot.h"

namespace qcface::eval {
namespace {

using nlohmann::json;
using Kind = Note::Kind;

json folds_json(const std::vector<KfoldFold>& folds) {
  json list = json::array();
  for (const KfoldFold& fold : folds) {
    list.push_back({{"pairs", fold.pairs}, {"threshold", fold.threshold}, {"accuracy", fold.accuracy}});
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

// One curve a score, points in the order of the file. Rows that are none are left out.
std::vector<RocCurve> curves_of(const std::string& sheet) {
  std::vector<RocCurve> curves;
  std::istringstream lines(sheet);
  std::string line;
  std::getline(lines, line);  // header
  while (std::getline(lines, line)) {
    const std::vector<std::string> fields = split_csv(line);
    if (fields.size() < 4) continue;
    const double fpr = csv_number(fields[1]), tpr = csv_number(fields[2]);
    if (!std::isfinite(fpr) || !std::isfinite(tpr)) continue;
    if (curves.empty() || curves.back().name != fields[0]) {
      RocCurve& curve = curves.emplace_back();
      curve.name = fields[0];
      curve.colour = static_cast<int>(curves.size()) - 1;
      curve.dashed = curves.size() > 1;
    }
    curves.back().fpr.push_back(fpr);
    curves.back().tpr.push_back(tpr);
  }
  return curves;
}

// The parts of verify.json that several blocks show.
struct Parts {
  explicit Parts(const json& whole)
      : verify(whole),
        cosine(object_at(whole, "cosine")),
        qmf(object_at(whole, "qmf")),
        insightface(object_at(whole, "insightface")),
        pairs(object_at(whole, "pairs")) {}
  const json &verify, &cosine, &qmf, &insightface, &pairs;
  bool both() const { return !qmf.empty(); }
};

std::string tar_cell(const json& row) {
  return fmt::format("{} / {}{}", percent(number_at(row, "tar_nearest")),
                     percent(number_at(row, "tar_strict")), row.value("resolvable", true) ? "" : "*");
}

Table measures_table(const Parts& parts) {
  Table table;
  table.columns = {{"measure", 34}, {"unit", 6}, {"cosine", 18}};
  if (parts.both()) table.columns.push_back({"quality-aware", 18});
  table.text_columns = 2;
  const auto add = [&](const std::string& name, const std::string& of_cosine, const std::string& of_qmf,
                       Where where = Where::kBoth) {
    table.rows.push_back({{name, "%", of_cosine}, where});
    if (parts.both()) table.rows.back().cells.push_back(of_qmf);
  };
  const auto mean_std = [](const json& object, const std::string& key) {
    return percent_std(number_at(object, key + "_mean"), number_at(object, key + "_std"));
  };
  const json& insightface = parts.insightface;
  const bool flipped = insightface.contains("accuracy_unflipped_mean");
  add("accuracy, 10-fold (QCFace)", mean_std(parts.cosine, "accuracy"), mean_std(parts.qmf, "accuracy"));
  add(flipped ? "accuracy, 10-fold (InsightFace), flip" : "accuracy, 10-fold (InsightFace)",
      mean_std(insightface, "accuracy"), kNoFigure);
  if (flipped) {
    add("accuracy, 10-fold (InsightFace)", mean_std(insightface, "accuracy_unflipped"), kNoFigure);
  }
  add(fmt::format("VAL at FAR {:g} (InsightFace)", number_at(insightface, "val_far_target")),
      mean_std(insightface, "val"), kNoFigure);
  for (const auto& [key, name] :
       {std::pair{"best_accuracy", "accuracy, best threshold"}, std::pair{"auc", "AUC"},
        std::pair{"auc_kfold", "AUC of the fold mean (auc_kfold)"},
        std::pair{"eer", "equal error rate (EER)"}}) {
    add(name, percent(number_at(parts.cosine, key)), percent(number_at(parts.qmf, key)));
  }
  const json& of_cosine = list_at(parts.cosine, "tar_at_far");
  const json& of_qmf = list_at(parts.qmf, "tar_at_far");
  for (std::size_t i = of_cosine.size(); i-- > 0;) {
    if (!of_cosine[i].is_object()) continue;
    add(fmt::format("TAR at FAR {:g}, nearest / strict", number_at(of_cosine[i], "far")),
        tar_cell(of_cosine[i]), i < of_qmf.size() ? tar_cell(of_qmf[i]) : kNoFigure, Where::kScreen);
  }
  const json& magnitude = object_at(parts.verify, "magnitude");
  table.caption = fmt::format(
      "Accuracies and VAL: mean \xC2\xB1 standard deviation of the folds. Magnitude of the pictures: {} to "
      "{}, mean {}. Flip fusion: {}.",
      number(number_at(magnitude, "min"), 2), number(number_at(magnitude, "max"), 2),
      number(number_at(magnitude, "mean"), 2), text_at(parts.verify, "flip", "unknown"));
  return table;
}

// On a page there is room for what both rules need of each other. `unresolved`: a target is below what the pairs can tell.
Table tar_table(const Parts& parts, bool& unresolved) {
  const json& of_cosine = list_at(parts.cosine, "tar_at_far");
  const json& of_qmf = list_at(parts.qmf, "tar_at_far");
  const bool both = !of_qmf.empty() && of_qmf.size() == of_cosine.size();
  Table table;
  table.columns = {{"FAR target"}, {"tar_nearest (%)"}, {"at FAR (%)"}, {"tar_strict (%)"}};
  if (both) {
    table.columns.push_back({"quality-aware, nearest (%)"});
    table.columns.push_back({"quality-aware, strict (%)"});
  }
  unresolved = false;
  for (std::size_t i = of_cosine.size(); i-- > 0;) {
    const json& row = of_cosine[i];
    if (!row.is_object()) continue;
    const bool resolvable = row.value("resolvable", true);
    unresolved |= !resolvable;
    table.rows.push_back(
        {{fmt::format("{:g}{}", number_at(row, "far"), resolvable ? "" : " *"),
          percent(number_at(row, "tar_nearest")), number(100 * number_at(row, "far_nearest"), 3),
          percent(number_at(row, "tar_strict"))},
         Where::kPage});
    if (!both) continue;
    table.rows.back().cells.push_back(percent(number_at(of_qmf[i], "tar_nearest")));
    table.rows.back().cells.push_back(percent(number_at(of_qmf[i], "tar_strict")));
  }
  table.caption =
      "tar_nearest takes the ROC point whose FAR is nearest to the target, as published tables do, and may "
      "exceed it; "
      "tar_strict never does.";
  if (unresolved) {
    table.caption +=
        fmt::format(" * Not resolvable: the target is below 1/{:.0f}.", number_at(parts.pairs, "different"));
  }
  return table;
}

Figure roc_figure(const Parts& parts, std::vector<RocCurve> curves) {
  for (RocCurve& curve : curves) {
    const bool qmf = curve.name == "qmf";
    curve.name = fmt::format("{} (AUC {} %)", qmf ? "quality-aware" : curve.name,
                             percent(number_at(qmf ? parts.qmf : parts.cosine, "auc")));
  }
  Figure figure;
  figure.plot =
      roc_plot(curves, fmt::format("Verification, {:.0f} same and {:.0f} different pairs",
                                   number_at(parts.pairs, "same"), number_at(parts.pairs, "different")));
  figure.caption =
      "True against false accept rate, thinned points, FAR on a log axis; points at FAR 0 stand on its left "
      "edge.";
  figure.wide = true;
  figure.file = "roc.svg";
  return figure;
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

Presentation present_verify(const Result& result) {
  const Parts parts(result.json);
  const json& conditions = object_at(result.json, "conditions");
  const double used = number_at(parts.pairs, "used"), same = number_at(parts.pairs, "same");
  const double different = number_at(parts.pairs, "different"), images = number_at(parts.verify, "images");
  Presentation shown;
  auto& blocks = shown.blocks;
  shown.tiles.push_back({"Verification accuracy", percent(number_at(parts.cosine, "accuracy_mean")) + " %",
                         fmt::format("10-fold, cosine, {:.0f} pairs", used)});
  shown.tiles.push_back({"AUC", percent(number_at(parts.cosine, "auc")) + " %", "cosine, same pairs"});

  blocks.push_back(
      Note{fmt::format("pictures {:.0f}, pairs {:.0f} ({:.0f} same, {:.0f} different), flip fusion {}",
                       images, used, same, different, text_at(parts.verify, "flip", "unknown")),
           Kind::kText,
           Where::kScreen,
           {}});
  Note counts{fmt::format("{:.0f} pairs ({:.0f} same, {:.0f} different) of {:.0f} pictures.", used, same,
                          different, images),
              Kind::kText,
              Where::kPage,
              {}};
  for (const auto& [key, name] :
       {std::pair{"pair_list", "list"}, std::pair{"weights", "weights"}, std::pair{"device", "device"}}) {
    if (conditions.contains(key)) counts.details.emplace_back(name, text_at(conditions, key));
  }
  blocks.push_back(std::move(counts));
  if (const double excluded = number_at(parts.pairs, "excluded"); excluded > 0) {
    blocks.push_back(
        Note{fmt::format("{:.0f} of {:.0f} pairs excluded: {} pictures could not be read", excluded,
                         number_at(parts.pairs, "listed"), list_at(parts.verify, "corrupt").size()),
             Kind::kWarning,
             Where::kBoth,
             {}});
  }
  const json& magnitude = object_at(parts.verify, "magnitude");
  blocks.push_back(
      Note{fmt::format("magnitude min {}  mean {}  max {}\n", number(number_at(magnitude, "min"), 3),
                       number(number_at(magnitude, "mean"), 3), number(number_at(magnitude, "max"), 3)),
           Kind::kText,
           Where::kScreen,
           {}});
  blocks.push_back(measures_table(parts));
  bool unresolved = false;
  Table tar = tar_table(parts, unresolved);
  if (unresolved) {
    blocks.push_back(
        Note{fmt::format("* not resolvable: the target is below 1/{:.0f} (the different pairs)", different),
             Kind::kText,
             Where::kScreen,
             {}});
  }
  if (const json& constants = object_at(parts.verify, "qmf_constants"); !constants.empty()) {
    blocks.push_back(
        Note{fmt::format("quality-aware score: alpha {:.9g}, beta {:.9g} ({})", number_at(constants, "alpha"),
                         number_at(constants, "beta"), text_at(constants, "source")),
             Kind::kSmall,
             Where::kBoth,
             {}});
    if (object_at(constants, "fit").value("constant_threshold", false)) {
      blocks.push_back(
          Note{"all fit thresholds are equal, so beta has no slope to be taken from; give more pairs",
               Kind::kWarning,
               Where::kBoth,
               {}});
    }
  }
  if (!tar.rows.empty()) blocks.push_back(std::move(tar));
  const auto sheet = result.sheets.find("roc.csv");
  std::vector<RocCurve> curves = curves_of(sheet == result.sheets.end() ? std::string() : sheet->second);
  if (curves.empty()) {
    blocks.push_back(Note{"There is no roc.csv beside verify.json", Kind::kWarning, Where::kPage, {}});
  } else {
    blocks.push_back(roc_figure(parts, std::move(curves)));
  }
  return shown;
}

}  // namespace qcface::eval
