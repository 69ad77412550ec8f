// verify.json, and how it is shown.
#include <fmt/format.h>

#include <cmath>
#include <string_view>
#include <utility>

#include "core/text.h"
#include "harness/eval/protocol.h"
#include "harness/eval/protocols/quality_constants.h"
#include "harness/eval/protocols/roc_sheet.h"
#include "harness/eval/protocols/verify_protocol.h"
#include "harness/eval/result.h"
#include "harness/plot/roc_plot.h"

namespace qcface::eval {

// Members that stand in verify.json under their own names.
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(KfoldFold, pairs, threshold, accuracy)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(TarRow, far, resolvable, tar_nearest, far_nearest, tar_strict, far_strict,
                                   threshold_strict)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ScoreStats, count, mean, std, min, max)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(QmagFit, max_omega, thresholds, omegas, skipped_targets,
                                   constant_threshold)

namespace {

using nlohmann::json;
using Kind = Note::Kind;

json measures_json(const ScoreMeasures& m) {
  json measures{{"auc", m.auc},
                {"eer", m.summary.eer},
                {"eer_threshold", m.summary.eer_threshold},
                {"best_accuracy", m.summary.best_accuracy},
                {"best_threshold", m.summary.best_threshold},
                {"fnmr_at_fmr_1e-1", fnmr_at_fmr(m.roc, 0.1)},
                {"fnmr_at_fmr_1e-2", fnmr_at_fmr(m.roc, 0.01)},
                {"tar_at_far", m.tar}};
  if (m.auc_interval.standard_error) {
    measures["auc_standard_error"] = *m.auc_interval.standard_error;
    measures["auc_interval_95"] = {m.auc_interval.low, m.auc_interval.high};
  }
  if (m.kfold) {
    measures.update({{"accuracy_mean", m.kfold->accuracy_mean},
                     {"accuracy_std", m.kfold->accuracy_std},
                     {"folds", m.kfold->folds},
                     {"auc_kfold", m.kfold->auc_kfold},
                     {"eer_kfold", m.kfold->eer}});
  }
  return measures;
}

// The parts of verify.json that several blocks show.
struct Parts {
  explicit Parts(const json& whole)
      : verify(whole),
        cosine(object_at(whole, "cosine")),
        qmf(object_at(whole, "qmf")),
        insightface(object_at(whole, "insightface")),
        pairs(object_at(whole, "pairs")),
        flip(text_at(whole, "flip", "unknown")) {}
  bool both() const { return !qmf.empty(); }
  std::string magnitude(const char* key, int digits) const {
    return number(number_at(object_at(verify, "magnitude"), key), digits);
  }
  const json &verify, &cosine, &qmf, &insightface, &pairs;
  std::string flip;
};

std::string interval_text(const json& measures) {
  const json& ends = list_at(measures, "auc_interval_95");
  if (ends.size() != 2 || !ends[0].is_number() || !ends[1].is_number()) return kNoFigure;
  return fmt::format("{} to {}", percent(ends[0].get<double>()), percent(ends[1].get<double>()));
}

Table measures_table(const Parts& parts) {
  Table table;
  table.columns = {{"measure", 34}, {"unit", 6}, {"cosine", 18}};
  if (parts.both()) table.columns.push_back({"quality-aware", 18});
  table.text_columns = 2;
  const auto add = [&](const std::string& name, const std::string& of_cosine, const std::string& of_qmf) {
    if (of_cosine == kNoFigure && of_qmf == kNoFigure) return;  // the note above says why
    table.rows.push_back({{name, "%", of_cosine}, Where::kBoth});
    if (parts.both()) table.rows.back().cells.push_back(of_qmf);
  };
  const auto mean_std = [](const json& object, const std::string& key) {
    return percent_std(number_at(object, key + "_mean"), number_at(object, key + "_std"));
  };
  const json& insightface = parts.insightface;
  const std::string name = "accuracy, 10-fold (InsightFace)";
  const bool flipped = insightface.contains("accuracy_unflipped_mean");
  add("accuracy, 10-fold (QCFace)", mean_std(parts.cosine, "accuracy"), mean_std(parts.qmf, "accuracy"));
  add(flipped ? name + ", flip" : name, mean_std(insightface, "accuracy"), kNoFigure);
  if (flipped) add(name, mean_std(insightface, "accuracy_unflipped"), kNoFigure);
  add(fmt::format("VAL at FAR {:g} (InsightFace)", number_at(insightface, "val_far_target")),
      mean_std(insightface, "val"), kNoFigure);
  for (const auto& [key, measure] :
       {std::pair{"best_accuracy", "accuracy, best threshold"}, std::pair{"auc", "AUC"},
        std::pair{"auc_kfold", "AUC of the fold mean (auc_kfold)"},
        std::pair{"eer", "equal error rate (EER)"}}) {
    add(measure, percent(number_at(parts.cosine, key)), percent(number_at(parts.qmf, key)));
    if (key == std::string_view("auc"))
      add("AUC, 95 % interval (DeLong)", interval_text(parts.cosine), interval_text(parts.qmf));
  }
  table.caption = fmt::format(
      "Accuracies and VAL: mean \xC2\xB1 standard deviation of the folds. Magnitude of the pictures: {} to "
      "{}, mean {}. Flip fusion: {}.",
      parts.magnitude("min", 2), parts.magnitude("max", 2), parts.magnitude("mean", 2), parts.flip);
  return table;
}

// TAR at FAR: a row of the measures on a terminal; a table of its own, which has room for the FAR found, on a page. True if
// a target is below what the pairs can tell.
bool add_tar(const Parts& parts, Table& measures, Table& table) {
  const json& of_qmf = list_at(parts.qmf, "tar_at_far");
  table.columns = {{"FAR target"}, {"tar_nearest (%)"}, {"at FAR (%)"}, {"tar_strict (%)"}};
  if (parts.both()) {
    table.columns.push_back({"quality-aware, nearest (%)"});
    table.columns.push_back({"quality-aware, strict (%)"});
  }
  bool unresolved = false;
  const json& targets = list_at(parts.cosine, "tar_at_far");
  for (std::size_t i = targets.size(); i-- > 0;) {
    const bool resolvable = targets[i].value("resolvable", true);
    unresolved |= !resolvable;
    const std::string far = fmt::format("{:g}", number_at(targets[i], "far"));
    auto& on_screen = measures.rows.emplace_back(
        Table::Row{{fmt::format("TAR at FAR {}, nearest / strict", far), "%"}, Where::kScreen});
    auto& on_page = table.rows.emplace_back(Table::Row{{far + (resolvable ? "" : " *")}, Where::kPage});
    const auto add = [&](const json& row) {
      on_page.cells.push_back(percent(number_at(row, "tar_nearest")));
      if (&row == &targets[i]) on_page.cells.push_back(number(100 * number_at(row, "far_nearest"), 3));
      on_page.cells.push_back(percent(number_at(row, "tar_strict")));
      on_screen.cells.push_back(fmt::format("{} / {}{}", percent(number_at(row, "tar_nearest")),
                                            on_page.cells.back(), resolvable ? "" : "*"));
    };
    add(targets[i]);
    if (i < of_qmf.size()) add(of_qmf[i]);
  }
  table.caption =
      "tar_nearest takes the ROC point whose FAR is nearest to the target, as published tables do, and may "
      "exceed it; tar_strict never does.";
  return unresolved;
}

// Mean cosine of the pairs of one kind, which needs none of the other.
Table scores_table(const Parts& parts) {
  Table table;
  table.columns = {{"cosine of pairs", 18}, {"pairs", 8},  {"mean", 9}, {"std", 9},
                   {"lowest", 9},           {"highest", 9}};
  for (const auto& [key, name] : {std::pair{"same", "of one person"}, std::pair{"different", "of two"}}) {
    const json& stats = object_at(object_at(parts.verify, "cosine_scores"), key);
    if (stats.empty()) continue;
    Table::Row row{{name, number(number_at(stats, "count"), 0)}, Where::kBoth};
    for (const char* figure : {"mean", "std", "min", "max"})
      row.cells.push_back(number(number_at(stats, figure), 4));
    table.rows.push_back(std::move(row));
  }
  table.caption = "Cosine of the pairs, by kind.";
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

json tar_row(const json& measures, double far) {
  for (const json& row : list_at(measures, "tar_at_far")) {
    if (std::fabs(number_at(row, "far") - far) < 1e-9 * far) return row;
  }
  return json::object();
}

json counts_json(const PairCounts& counts) {
  return {{"images", counts.images},
          {"pairs",
           {{"listed", counts.pairs_listed},
            {"used", counts.same + counts.different},
            {"same", counts.same},
            {"different", counts.different},
            {"excluded", counts.pairs_excluded}}},
          {"corrupt", corrupt_json(counts.corrupt)},
          {"flip", name_of(counts.flip)}};
}

json to_json(const VerifyResult& r) {
  json insightface{{"mean_norm", r.insightface_mean_norm}};
  if (r.insightface) {
    insightface.update({{"accuracy_mean", r.insightface->accuracy_mean},
                        {"accuracy_std", r.insightface->accuracy_std},
                        {"folds", r.insightface->folds}});
  }
  if (r.insightface_val) {
    insightface.update({{"val_far_target", r.insightface_val->far_target},
                        {"val_mean", r.insightface_val->val_mean},
                        {"val_std", r.insightface_val->val_std},
                        {"val_far_mean", r.insightface_val->far_mean}});
  }
  if (r.insightface_plain) {
    insightface["accuracy_unflipped_mean"] = r.insightface_plain->accuracy_mean;
    insightface["accuracy_unflipped_std"] = r.insightface_plain->accuracy_std;
  }
  json result = counts_json(r);
  result.update(
      {{"format", "qcface-verify/1"},
       {"units", "fractions, 0..1"},
       {"magnitude", {{"min", r.magnitude_min}, {"mean", r.magnitude_mean}, {"max", r.magnitude_max}}},
       {"embed_seconds", r.embed_seconds},
       {"cosine_scores", json::object()},
       {"insightface", insightface}});
  if (r.cosine_same) result["cosine_scores"]["same"] = *r.cosine_same;
  if (r.cosine_different) result["cosine_scores"]["different"] = *r.cosine_different;
  if (r.cosine) result["cosine"] = measures_json(*r.cosine);
  if (!r.missing.empty()) result["missing"] = r.missing;
  if (r.qmf) result["qmf"] = measures_json(*r.qmf);
  if (r.euclid) result["euclid"] = measures_json(*r.euclid);
  if (r.constants) {
    json constants = constants_json(*r.constants);
    if (r.fit) constants["fit"] = *r.fit;
    result["qmf_constants"] = constants;
  }
  return result;
}

Presentation present_verify(const Result& result) {
  const Parts parts(result.json);
  const double used = number_at(parts.pairs, "used"), same = number_at(parts.pairs, "same");
  const double different = number_at(parts.pairs, "different"), images = number_at(parts.verify, "images");
  Presentation shown;
  // A result of an earlier version, or a damaged one, has its tiles with or without figures; one that could not be measured
  // has none, and says so below.
  const std::string missing = text_at(parts.verify, "missing");
  const double accuracy = number_at(parts.cosine, "accuracy_mean"), area = number_at(parts.cosine, "auc");
  if (missing.empty() || std::isfinite(accuracy)) {
    shown.tiles.push_back({"Verification accuracy", percent(accuracy) + " %",
                           fmt::format("10-fold, cosine, {:.0f} pairs", used)});
  }
  if (missing.empty() || std::isfinite(area))
    shown.tiles.push_back({"AUC", percent(area) + " %", "cosine, same pairs"});

  shown.note(fmt::format("pictures {:.0f}, pairs {:.0f} ({:.0f} same, {:.0f} different), flip fusion {}",
                         images, used, same, different, parts.flip),
             Where::kScreen);
  shown.note(fmt::format("{:.0f} pairs ({:.0f} same, {:.0f} different) of {:.0f} pictures.", used, same,
                         different, images),
             Where::kPage);
  if (const double excluded = number_at(parts.pairs, "excluded"); excluded > 0) {
    shown.note(fmt::format("{:.0f} of {:.0f} pairs excluded: {} pictures could not be read", excluded,
                           number_at(parts.pairs, "listed"), list_at(parts.verify, "corrupt").size()),
               Where::kBoth, Kind::kWarning);
  }
  if (!missing.empty()) shown.note(missing, Where::kBoth, Kind::kWarning);
  shown.note(fmt::format("magnitude min {}  mean {}  max {}\n", parts.magnitude("min", 3),
                         parts.magnitude("mean", 3), parts.magnitude("max", 3)),
             Where::kScreen);
  if (Table scores = scores_table(parts); !scores.rows.empty()) shown.blocks.push_back(std::move(scores));
  Table measures = measures_table(parts), tar;
  const bool unresolved = add_tar(parts, measures, tar);
  if (!measures.rows.empty() || missing.empty()) shown.blocks.push_back(std::move(measures));
  if (unresolved) {
    const std::string bound = fmt::format("ot resolvable: the target is below 1/{:.0f}", different);
    shown.note("* n" + bound + " (the different pairs)", Where::kScreen);
    tar.caption += " * N" + bound + ".";
  }
  note_constants(parts.verify, shown);
  if (!tar.rows.empty()) shown.blocks.push_back(std::move(tar));
  const auto sheet = result.sheets.find("roc.csv");
  std::vector<RocCurve> curves = roc_curves(sheet == result.sheets.end() ? std::string() : sheet->second);
  if (curves.empty() && parts.cosine.empty() && !missing.empty()) {
    // There is no curve to be drawn.
  } else if (curves.empty()) {
    shown.note("There is no roc.csv beside verify.json", Where::kPage, Kind::kWarning);
  } else {
    shown.blocks.push_back(roc_figure(parts, std::move(curves)));
  }
  return shown;
}

}  // namespace qcface::eval
