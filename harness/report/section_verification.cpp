// Verification: table of measures and ROC, a part a pair list.
#include <fmt/format.h>

#include <cmath>

#include "core/text.h"
#include "harness/report/html.h"
#include "harness/report/roc_plot.h"
#include "harness/report/sections.h"

namespace qcface::report {
namespace {

using nlohmann::json;
using Rows = std::vector<std::vector<std::string>>;

std::string mean_std(const json& object, const std::string& key) {
  const double mean = number_at(object, key + "_mean");
  if (!std::isfinite(mean)) return number(mean, 2);
  return fmt::format("{} \xC2\xB1 {}", percent(mean), percent(number_at(object, key + "_std")));
}

std::string measures_table(const json& verify, const json& cosine, const json& qmf) {
  const bool both = !qmf.empty();
  Rows rows{{"measure", "unit", "cosine"}};
  if (both) rows[0].push_back("quality-aware");
  const auto add = [&](const std::string& name, const std::string& of_cosine, const std::string& of_qmf) {
    rows.push_back({name, "%", of_cosine});
    if (both) rows.back().push_back(of_qmf);
  };
  const std::string none = "\xE2\x80\x93";
  add("Accuracy, 10-fold, QCFace style (mean \xC2\xB1 std of the folds)", mean_std(cosine, "accuracy"),
      mean_std(qmf, "accuracy"));
  const json insightface = verify.value("insightface", json::object());
  add("Accuracy, 10-fold, InsightFace style", mean_std(insightface, "accuracy"), none);
  if (insightface.contains("accuracy_unflipped_mean")) {
    add("Accuracy, 10-fold, InsightFace style, without flip",
        fmt::format("{} \xC2\xB1 {}", percent(number_at(insightface, "accuracy_unflipped_mean")),
                    percent(number_at(insightface, "accuracy_unflipped_std"))),
        none);
  }
  add(fmt::format("VAL at FAR {:g}, InsightFace style", number_at(insightface, "val_far_target")),
      mean_std(insightface, "val"), none);
  for (const auto& [key, name] :
       {std::pair{"best_accuracy", "Accuracy at the best single threshold"}, std::pair{"auc", "AUC"},
        std::pair{"auc_kfold", "AUC of the mean over folds (auc_kfold)"},
        std::pair{"eer", "Equal error rate"}}) {
    add(name, percent(number_at(cosine, key)), percent(number_at(qmf, key)));
  }
  const json magnitude = verify.value("magnitude", json::object());
  return html_table(
      rows, 2,
      fmt::format("Magnitude of the pictures: {} to {}, mean {}. Flip fusion: {}.",
                  number(number_at(magnitude, "min"), 2), number(number_at(magnitude, "max"), 2),
                  number(number_at(magnitude, "mean"), 2), verify.value("flip", std::string("unknown"))));
}

std::string tar_table(const json& cosine, const json& qmf, double negatives) {
  const json of_cosine = cosine.value("tar_at_far", json::array());
  const json of_qmf = qmf.value("tar_at_far", json::array());
  if (!of_cosine.is_array() || of_cosine.empty()) return {};
  const bool both = of_qmf.is_array() && of_qmf.size() == of_cosine.size();
  Rows rows{{"FAR target", "tar_nearest (%)", "at FAR (%)", "tar_strict (%)"}};
  if (both) {
    rows[0].push_back("quality-aware, nearest (%)");
    rows[0].push_back("quality-aware, strict (%)");
  }
  bool unresolved = false;
  for (std::size_t i = of_cosine.size(); i-- > 0;) {
    const json& row = of_cosine[i];
    if (!row.is_object()) continue;
    const bool resolvable = row.value("resolvable", true);
    unresolved |= !resolvable;
    rows.push_back({fmt::format("{:g}{}", number_at(row, "far"), resolvable ? "" : " *"),
                    percent(number_at(row, "tar_nearest")), number(100 * number_at(row, "far_nearest"), 3),
                    percent(number_at(row, "tar_strict"))});
    if (both) {
      rows.back().push_back(percent(number_at(of_qmf[i], "tar_nearest")));
      rows.back().push_back(percent(number_at(of_qmf[i], "tar_strict")));
    }
  }
  return html_table(
      rows, 1,
      "tar_nearest takes the ROC point whose FAR is nearest to the target, as published tables do, and "
      "may exceed it; tar_strict never does." +
          (unresolved ? fmt::format(" * Not resolvable: the target is below 1/{:.0f}.", negatives)
                      : std::string()));
}

std::string part(const VerificationData& data, bool heading) {
  const json& verify = data.verify;
  const json cosine = verify.value("cosine", json::object());
  const json qmf = verify.value("qmf", json::object());
  const json pairs = verify.value("pairs", json::object());
  const json conditions = verify.value("conditions", json::object());
  std::string html;
  if (heading) {
    const std::string name = data.name.empty() ? "First pair list" : data.name;
    const bool named = conditions.is_object() && conditions.contains("set") && conditions["set"].is_string();
    html += fmt::format("<h3>{}</h3>\n",
                        escape_html(named ? from_json_text(conditions["set"].get<std::string>()) : name));
  }
  html += fmt::format("<p>{:.0f} pairs ({:.0f} same, {:.0f} different) of {:.0f} pictures.",
                      number_at(pairs, "used"), number_at(pairs, "same"), number_at(pairs, "different"),
                      number_at(verify, "images"));
  for (const char* key : {"pair_list", "weights", "device"}) {
    if (conditions.is_object() && conditions.contains(key) && conditions[key].is_string()) {
      html += fmt::format(" <span class=\"soft\">\xC2\xB7 {}</span> <code>{}</code>",
                          key == std::string("pair_list") ? "list" : key,
                          escape_html(from_json_text(conditions[key].get<std::string>())));
    }
  }
  html += "</p>\n";
  const double excluded = number_at(pairs, "excluded");
  if (excluded > 0) {
    html += fmt::format(
        "<div class=\"warning\">{:.0f} of {:.0f} pairs are excluded: {} unreadable picture(s).</div>\n",
        excluded, number_at(pairs, "listed"), verify.value("corrupt", json::array()).size());
  }
  html += measures_table(verify, cosine, qmf);
  if (const json constants = verify.value("qmf_constants", json::object()); !constants.empty()) {
    html += fmt::format("<p class=\"sub\">Quality-aware score: alpha {:g}, beta {:g} ({}).</p>\n",
                        number_at(constants, "alpha"), number_at(constants, "beta"),
                        escape_html(from_json_text(constants.value("source", std::string()))));
  }
  html += tar_table(cosine, qmf, number_at(pairs, "different"));

  std::vector<RocCurve> curves;
  for (const RocRow& row : data.roc) {
    if (curves.empty() || curves.back().name != row.score) {
      RocCurve curve;
      curve.name = row.score;
      curve.colour = static_cast<int>(curves.size());
      curve.dashed = !curves.empty();
      curves.push_back(std::move(curve));
    }
    curves.back().fpr.push_back(row.fpr);
    curves.back().tpr.push_back(row.tpr);
  }
  for (RocCurve& curve : curves) {
    const json& measures = curve.name == "qmf" ? qmf : cosine;
    curve.name = fmt::format("{} (AUC {} %)", curve.name == "qmf" ? "quality-aware" : curve.name,
                             percent(number_at(measures, "auc")));
  }
  if (curves.empty()) {
    html += html_missing("There is no roc.csv beside verify.json.", "");
  } else {
    html += html_figure(
        render_svg(roc_plot(curves, "ROC")),
        "True against false accept rate, thinned points, FAR on a log axis; points at FAR 0 stand on "
        "its left edge.",
        true);
  }
  return html;
}

}  // namespace

std::string verification_section(const RunData& run, std::vector<std::string>& missing) {
  std::string html;
  for (const VerificationData& data : run.verifications) html += part(data, run.verifications.size() > 1);
  if (html.empty()) {
    missing.push_back("verification");
    html = html_missing("There is no eval/verify.json in the run folder.",
                        fmt::format("qcface eval verify --weights {} --data FOLDER --out {}",
                                    suggested_weights(run), (run.folder / "eval").string()));
  }
  return html_section("verification", "Verification", html);
}

}  // namespace qcface::report
