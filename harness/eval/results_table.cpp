// The tables printed on a terminal. Plain ASCII, columns aligned, a unit beside every figure.
#include <fmt/format.h>

#include <iterator>
#include <optional>
#include <string>

#include "harness/eval/results.h"

namespace qcface::eval {
namespace {

std::string percent(double fraction) { return fmt::format("{:.2f}", 100 * fraction); }
std::string percent_std(double mean, double std) {
  return fmt::format("{:.2f} +- {:.2f}", 100 * mean, 100 * std);
}
std::string rho(const std::optional<double>& value) {
  return value ? fmt::format("{:+.3f}", *value) : "undefined";
}

std::string target(double far) { return fmt::format("{:g}", far); }

}  // namespace

std::string format_table(const VerifyResult& r) {
  std::string text;
  const auto out = std::back_inserter(text);
  fmt::format_to(out, "pictures {}, pairs {} ({} same, {} different), flip fusion {}\n", r.images,
                 r.same + r.different, r.same, r.different, name_of(r.flip));
  if (r.pairs_excluded > 0) {
    fmt::format_to(out, "WARNING: {} of {} pairs excluded: {} pictures could not be read\n", r.pairs_excluded,
                   r.pairs_listed, r.corrupt.size());
  }
  fmt::format_to(out, "magnitude min {:.3f}  mean {:.3f}  max {:.3f}\n\n", r.magnitude_min, r.magnitude_mean,
                 r.magnitude_max);

  const auto line = [&](std::string_view name, std::string_view unit, const std::string& cosine,
                        const std::string& qmf) {
    fmt::format_to(out, "{:<34}{:<6}{:>18}", name, unit, cosine);
    if (r.qmf) fmt::format_to(out, "{:>18}", qmf);
    text += '\n';
  };
  const auto both = [&](std::string_view name, std::string_view unit, auto&& value) {
    line(name, unit, value(r.cosine), r.qmf ? value(*r.qmf) : std::string());
  };
  line("measure", "unit", "cosine", "quality-aware");
  const std::string rule(r.qmf ? 76 : 58, '-');
  text += rule + "\n";
  both("accuracy, 10-fold (QCFace)", "%",
       [](const ScoreMeasures& m) { return percent_std(m.kfold.accuracy_mean, m.kfold.accuracy_std); });
  line(r.insightface_plain ? "accuracy, 10-fold (InsightFace), flip" : "accuracy, 10-fold (InsightFace)", "%",
       percent_std(r.insightface.accuracy_mean, r.insightface.accuracy_std), "-");
  if (r.insightface_plain) {
    line("accuracy, 10-fold (InsightFace)", "%",
         percent_std(r.insightface_plain->accuracy_mean, r.insightface_plain->accuracy_std), "-");
  }
  line("VAL at FAR 0.001 (InsightFace)", "%",
       percent_std(r.insightface_val.val_mean, r.insightface_val.val_std), "-");
  both("accuracy, best threshold", "%",
       [](const ScoreMeasures& m) { return percent(m.summary.best_accuracy); });
  both("AUC", "%", [](const ScoreMeasures& m) { return percent(m.auc); });
  both("AUC of the fold mean (auc_kfold)", "%",
       [](const ScoreMeasures& m) { return percent(m.kfold.auc_kfold); });
  both("equal error rate (EER)", "%", [](const ScoreMeasures& m) { return percent(m.summary.eer); });
  bool unresolved = false;
  for (std::size_t i = r.cosine.tar.size(); i-- > 0;) {
    const TarRow& row = r.cosine.tar[i];
    const std::string mark = row.resolvable ? "" : "*";
    unresolved |= !row.resolvable;
    const auto pair = [i, &mark](const ScoreMeasures& m) {
      return fmt::format("{} / {}{}", percent(m.tar[i].tar_nearest), percent(m.tar[i].tar_strict), mark);
    };
    both(fmt::format("TAR at FAR {}, nearest / strict", target(row.far)), "%", pair);
  }
  text += rule + "\n";
  if (unresolved) {
    fmt::format_to(out, "* not resolvable: the target is below 1/{} (the different pairs)\n", r.different);
  }
  if (r.constants) {
    fmt::format_to(out, "quality-aware score: alpha {:.9g}, beta {:.9g} ({})\n", r.constants->alpha,
                   r.constants->beta, r.constants->source);
    if (r.fit && r.fit->constant_threshold) {
      text +=
          "WARNING: all fit thresholds are equal, so beta has no slope to be taken from; give more pairs\n";
    }
  }
  return text;
}

std::string format_table(const DegradationResult& r) {
  std::string text;
  const auto out = std::back_inserter(text);
  fmt::format_to(out, "Spearman correlation of magnitude and degradation level ({} pictures; -1 is best)\n",
                 r.pictures);
  if (!r.corrupt.empty()) {
    fmt::format_to(out, "WARNING: {} pictures could not be read and are left out\n", r.corrupt.size());
  }
  fmt::format_to(out, "{:<14}{:>10}{:>16}{:>16}{:>9}{:>22}\n", "kind", "pooled", "source mean",
                 "source median", "sources", "magnitude, ends");
  const std::string rule(87, '-');
  text += rule + "\n";
  for (const KindResult& kind : r.kinds) {
    const std::string ends = kind.levels.empty() ? "-"
                                                 : fmt::format("{:.2f} to {:.2f}", kind.levels.front().median,
                                                               kind.levels.back().median);
    fmt::format_to(out, "{:<14}{:>10}{:>16}{:>16}{:>9}{:>22}\n", kind.kind, rho(kind.rho_pooled),
                   rho(kind.rho_source_mean), rho(kind.rho_source_median), kind.sources, ends);
  }
  text += rule + "\n";
  fmt::format_to(out, "{:<14}{:>10}{:>16}\n", "mean of kinds", rho(r.rho_pooled_mean),
                 rho(r.rho_source_mean));
  text += "magnitude, ends: median at the lowest and at the highest level\n";
  return text;
}

}  // namespace qcface::eval
