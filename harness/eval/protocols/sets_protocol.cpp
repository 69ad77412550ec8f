// `hq` and `bin`: several verification sets in one command, a row of the table each. They differ in how the sets are laid out
// and in the flip that is usual.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "harness/console/usage.h"
#include "harness/eval/measures/kfold.h"
#include "harness/eval/protocol.h"
#include "harness/eval/protocols/fit_set.h"
#include "harness/eval/protocols/hq_layout.h"
#include "harness/eval/protocols/quality_constants.h"
#include "harness/eval/protocols/roc_sheet.h"
#include "harness/eval/protocols/verify.h"
#include "harness/eval/protocols/verify_protocol.h"
#include "harness/eval/protocols/verify_set.h"
#include "harness/plot/roc_plot.h"

namespace qcface::eval {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// The scores of a set, by the name that files of the published script have.
struct NamedScore {
  const char* file;  // "cos": cos_lfw.txt
  const char* key;   // in the JSON file, and in roc.csv
};
constexpr NamedScore kScores[] = {{"cos", "cosine"}, {"qmag", "qmf"}, {"euclid", "euclid"}};

// As Python prints a float: what reads the published files reads ours.
std::string python_float(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

std::string published_roc(const KfoldResult& kfold) {
  std::string text;
  for (const MeanRocRow& row : kfold.mean_roc) {
    text += python_float(row.fpr) + " " + python_float(row.tpr) + " " + python_float(row.threshold) + "\n";
  }
  return text;
}

class SetsMeasurement final : public Measurement {
 public:
  explicit SetsMeasurement(bool packs) : packs_(packs) {}

  void add_options(OptionTable& table) override {
    table.add(
        "--test_db", wanted_,
        packs_
            ? "Which packs, separated by commas (lfw,cfp_fp); empty: every .bin in the folder"
            : "Which sets, separated by commas (agedb_30,cfp_fp,lfw,calfw,cplfw,xqlfw,cfp_ff); empty: those "
              "that are there");
    if (!packs_) {
      table.add("--pairs_root", pairs_root_, "Folder of the pair lists; empty: DATA/pairlists, else DATA");
      table.add("--train_db", train_db_,
                "Folder below DATA whose pictures the quality-aware score is fitted on (AdienceGender)");
      table.add_number("--fit-seed", fit_seed_, 0, kLargestSeed, "Seed of the draw of its pairs");
      table.add_choice("--fit-space", fit_space_,
                       {{"sigmoid", QmagSpace::kSigmoid}, {"raw", QmagSpace::kRaw}},
                       "sigmoid re-creates the published constants");
      table.add_flag("--allow-missing", allow_missing_,
                     "Leave pairs out whose pictures are missing, and count them; else that is an error");
    }
    constants_.add_options(table, false);
    table.add_flag("--euclid", euclid_, "Scores by distance of the raw embeddings too");
  }

  void settle(const OptionTable& table) override {
    constants_.settle(table, preset);
    require_usage(train_db_.empty() || constants_.from() == QualityConstants::From::kOff,
                  "--train_db and given constants contradict each other: leave one of them out");
  }

  void read() override {
    sets_ = packs_ ? open_packs(folder, wanted_)
                   : open_hq_sets({folder, pairs_root_, wanted_, names, allow_missing_});
  }

  void require_accuracy() const override {
    for (const VerifySet& set : sets_) require_measurable(set.pairs, set.list.string());
  }

  Result run(FeatureSource& features) override {
    Result result;
    std::optional<QmagFit> fit;
    std::optional<QmfConstants> constants = constants_.fixed();
    if (!train_db_.empty()) constants = fit_on_training_set(features, fit);
    json& sets = result.json["sets"] = json::array();
    std::string& roc = result.sheets["roc.csv"] = kSetsRocHeader;
    double accuracies = 0;
    std::size_t measured = 0;
    for (const VerifySet& set : sets_) {
      const Embeddings embeddings = embed_set(features, set);
      VerifyResult found = verify_embeddings(set.pairs, embeddings, constants, euclid_);
      found.fit = fit;
      json one = to_json(found);
      one["name"] = to_json_text(set.name);
      one["pair_list"] = to_json_text(set.list.string());
      if (set.pairs.left_out > 0) one["pairs"]["left_out"] = set.pairs.left_out;
      add_curves(set.name, found, result.sheets, roc);
      result.sheets[set.name + "/scores.npy"] = scores_npy(found.cosine_scores, found.same_of_pair);
      if (found.cosine && found.cosine->kfold) {
        const double accuracy =
            packs_ ? found.insightface->accuracy_mean : found.cosine->kfold->accuracy_mean;
        result.figures[set.name + "_accuracy"] = accuracy;
        accuracies += accuracy;
        ++measured;
      }
      if (found.cosine) result.figures[set.name + "_auc"] = found.cosine->auc;
      sets.push_back(std::move(one));
    }
    if (constants)
      result.json["qmf_constants"] = sets.front().at("qmf_constants");  // as --qmf-from looks for them
    if (measured == sets_.size()) {
      result.figures["accuracy"] = accuracies / static_cast<double>(measured);
      result.headline = fmt::format("accuracy {:.2f}% (10-fold, mean of {} sets)",
                                    100 * accuracies / static_cast<double>(measured), measured);
    }
    result.json["format"] = packs_ ? "qcface-bin/1" : "qcface-hq/1";
    result.json["units"] = "fractions, 0..1";
    result.json["conditions"] = conditions_json(features, "pictures", folder);
    result.json["conditions"]["flip"] = name_of(features.options().flip);
    result.sheets[packs_ ? "bin.csv" : "hq.csv"] = table_csv(sets);
    if (!packs_) result.sheets["results.txt"] = published_table(sets);
    return result;
  }

 private:
  QmfConstants fit_on_training_set(FeatureSource& features, std::optional<QmagFit>& fit) const {
    const fs::path training = folder / train_db_;
    const LabelledPictures people = adience_pictures(training);
    return fit_constants(features, drawn_fit_set(people.files, people.labels, training.string(), fit_seed_),
                         fit_space_, fit);
  }

  static void add_curves(const std::string& name, const VerifyResult& found,
                         std::map<std::string, std::string>& sheets, std::string& roc) {
    const std::optional<ScoreMeasures>* measures[] = {&found.cosine, &found.qmf, &found.euclid};
    for (std::size_t i = 0; i < std::size(kScores); ++i) {
      if (!*measures[i]) continue;
      const ScoreMeasures& of_score = **measures[i];
      append_roc(roc, csv_field(name) + "," + kScores[i].key, of_score.roc);
      if (of_score.kfold)
        sheets[fmt::format("{0}/{1}_{0}.txt", name, kScores[i].file)] = published_roc(*of_score.kfold);
    }
  }

  static std::string table_csv(const json& sets) {
    std::string csv =
        "set,score,pairs,same,different,accuracy_mean,accuracy_std,insightface_mean,insightface_std,auc,eer,"
        "tar_nearest_1e-3,tar_strict_1e-3\n";
    for (const json& set : sets) {
      for (const NamedScore& score : kScores) {
        const json& measures = object_at(set, score.key);
        if (measures.empty()) continue;
        const json& insightface = std::string(score.key) == "cosine" ? object_at(set, "insightface") : json();
        const json tar = tar_row(measures, 1e-3);
        csv += csv_field(text_at(set, "name")) + "," + score.key;
        for (const char* key : {"used", "same", "different"})
          csv += fmt::format(",{}", number_at(object_at(set, "pairs"), key));
        for (const double value :
             {number_at(measures, "accuracy_mean"), number_at(measures, "accuracy_std"),
              number_at(insightface, "accuracy_mean"), number_at(insightface, "accuracy_std"),
              number_at(measures, "auc"), number_at(measures, "eer"), number_at(tar, "tar_nearest"),
              number_at(tar, "tar_strict")}) {
          csv += std::isfinite(value) ? fmt::format(",{}", value) : ",";
        }
        csv += "\n";
      }
    }
    return csv;
  }

  // results.txt of the published script: accuracies as fractions, AUC (of the fold mean) in percent.
  static std::string published_table(const json& sets) {
    std::string text = "db\t\tQMagFace\t\tCosine\t\t\tCosAUC\t\t\tQMFAUC\n";
    const auto accuracy = [](const json& m) {
      return m.empty()
                 ? std::string("-")
                 : fmt::format("{:.5f}+-{:.5f}", number_at(m, "accuracy_mean"), number_at(m, "accuracy_std"));
    };
    const auto area = [](const json& m) {
      return m.empty() ? std::string("-") : python_float(100 * number_at(m, "auc_kfold"));
    };
    for (const json& set : sets) {
      const std::string name = text_at(set, "name");
      const json &cosine = object_at(set, "cosine"), &qmf = object_at(set, "qmf");
      text += fmt::format("{}{}{}\t{}\t{}\t{}\n", name, name.size() > 6 ? "\t" : "\t\t", accuracy(qmf),
                          accuracy(cosine), area(cosine), area(qmf));
    }
    return text;
  }

  bool packs_;
  std::string wanted_, pairs_root_, train_db_;
  bool allow_missing_ = false, euclid_ = false;
  QualityConstants constants_;
  QmagSpace fit_space_ = QmagSpace::kSigmoid;
  std::uint64_t fit_seed_ = 0;
  std::vector<VerifySet> sets_;
};

// A row a score of a set. True in `unresolved` if a target is below what the pairs can tell.
Table sets_table(const json& sets, bool packs, bool& unresolved) {
  Table table;
  table.columns = {{"set", 10}, {"score", 14}, {"pairs", 7}, {"QCFace 10-fold", 17}};
  table.text_columns = 2;
  if (packs) table.columns.push_back({"InsightFace 10-fold", 21});
  for (const char* name : {"AUC", "EER"}) table.columns.push_back({name, 8});
  for (const char* name : {"TAR 1e-2", "TAR 1e-3"}) table.columns.push_back({name, 10});
  const auto accuracy = [](const json& measures) {
    return percent_std(number_at(measures, "accuracy_mean"), number_at(measures, "accuracy_std"));
  };
  for (const json& set : sets) {
    bool first = true;
    for (const NamedScore& score : kScores) {
      const json& measures = object_at(set, score.key);
      if (measures.empty()) continue;
      Table::Row row{{"", score_label(score.key), "", accuracy(measures)}, Where::kBoth};
      if (first) {
        row.cells[0] = text_at(set, "name", "?");
        row.cells[2] = number(number_at(object_at(set, "pairs"), "used"), 0);
      }
      if (packs) row.cells.push_back(first ? accuracy(object_at(set, "insightface")) : "");
      row.cells.push_back(percent(number_at(measures, "auc")));
      row.cells.push_back(percent(number_at(measures, "eer")));
      for (const double far : {1e-2, 1e-3}) {
        const json tar = tar_row(measures, far);
        const bool resolvable = tar.value("resolvable", true);
        unresolved |= !resolvable;
        row.cells.push_back(percent(number_at(tar, "tar_nearest")) + (resolvable ? "" : "*"));
      }
      first = false;
      table.rows.push_back(std::move(row));
    }
  }
  return table;
}

void add_warnings(const json& sets, Presentation& shown) {
  for (const json& set : sets) {
    const std::string name = text_at(set, "name", "?");
    const json& pairs = object_at(set, "pairs");
    if (const std::string missing = text_at(set, "missing"); !missing.empty())
      shown.note(name + ": " + missing, Where::kBoth, Note::Kind::kWarning);
    if (const double excluded = number_at(pairs, "excluded"); excluded > 0) {
      shown.note(fmt::format("{}: {:.0f} of {:.0f} pairs excluded: {} pictures could not be read", name,
                             excluded, number_at(pairs, "listed"), list_at(set, "corrupt").size()),
                 Where::kBoth, Note::Kind::kWarning);
    }
    if (const double left_out = number_at(pairs, "left_out"); left_out > 0) {
      shown.note(fmt::format("{}: {:.0f} pairs left out: a picture of theirs is missing", name, left_out),
                 Where::kBoth, Note::Kind::kWarning);
    }
  }
}

void add_accuracy_tile(const json& sets, bool packs, Presentation& shown) {
  double accuracies = 0;
  int measured = 0;
  for (const json& set : sets) {
    const double mean = number_at(object_at(set, packs ? "insightface" : "cosine"), "accuracy_mean");
    if (!std::isfinite(mean)) continue;
    accuracies += mean;
    ++measured;
  }
  if (measured == 0) return;
  shown.tiles.push_back({"Verification accuracy", percent(accuracies / measured) + " %",
                         fmt::format("10-fold, mean of {} sets", measured)});
}

Presentation present_sets(const Result& result) {
  const bool packs = text_at(result.json, "format").starts_with("qcface-bin");
  const json& sets = list_at(result.json, "sets");
  const std::string flip = text_at(object_at(result.json, "conditions"), "flip", "unknown");
  Presentation shown;
  add_accuracy_tile(sets, packs, shown);
  add_warnings(sets, shown);
  bool unresolved = false;
  Table table = sets_table(sets, packs, unresolved);
  table.caption = fmt::format(
      "In percent. 10-fold accuracies: mean \xC2\xB1 standard deviation of the folds. TAR at the FAR nearest "
      "to the "
      "target, as published tables have it. Flip fusion: {}.{}",
      flip, unresolved ? " * Not resolvable: the target is below 1 / different pairs." : "");
  shown.note("all in percent; flip fusion " + flip, Where::kScreen);
  shown.blocks.emplace_back(std::move(table));
  if (unresolved) shown.note("* not resolvable: the target is below 1 / different pairs", Where::kScreen);
  note_constants(result.json, shown);
  const auto sheet = result.sheets.find("roc.csv");
  std::vector<RocCurve> curves = roc_curves(sheet == result.sheets.end() ? std::string() : sheet->second);
  if (!curves.empty()) {
    Figure figure;
    figure.plot = roc_plot(curves, "Verification");
    figure.caption = "True against false accept rate of each set, FAR on a log axis.";
    figure.wide = true;
    figure.file = "roc.svg";
    shown.blocks.emplace_back(std::move(figure));
  }
  return shown;
}

}  // namespace

extern const Protocol kHq, kBin;
const Protocol kHq{
    "hq",
    "Verify the high-quality sets: LFW, CFP-FF, CFP-FP, AgeDB-30, CALFW, CPLFW, XQLFW",
    "Folder with a folder or pack a set (lfw/imgs/1.jpg, lfw/NAME/NAME_0001.jpg, lfw.bin)",
    "hq.json, hq.csv, results.txt, roc.csv, roc.svg, SET/scores.npy, SET/cos_SET.txt and its like",
    "Verification sets",
    "hq",
    nullptr,
    {"roc.csv"},
    [] { return std::unique_ptr<Measurement>(std::make_unique<SetsMeasurement>(false)); },
    present_sets};

const Protocol kBin{
    "bin",
    "Verify packs (lfw.bin, cfp_fp.bin, agedb_30.bin, ...) as InsightFace does, and with all other measures",
    "Folder of packs, or one pack",
    "bin.json, bin.csv, roc.csv, roc.svg, SET/scores.npy, SET/cos_SET.txt and its like",
    "Verification packs",
    "bin",
    nullptr,
    {"roc.csv"},
    [] { return std::unique_ptr<Measurement>(std::make_unique<SetsMeasurement>(true)); },
    present_sets,
    FlipFusion::kVectorAdd};

}  // namespace qcface::eval
