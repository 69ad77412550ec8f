// `quality`: a pair list under --data, or a pack; further sets, and degraded pictures, where they are given.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "harness/console/usage.h"
#include "harness/eval/protocol.h"
#include "harness/eval/protocols/quality_list.h"
#include "harness/eval/protocols/quality_protocol.h"
#include "harness/eval/protocols/verify.h"
#include "harness/eval/protocols/verify_set.h"

namespace qcface::eval {
namespace {

namespace fs = std::filesystem;

enum class Variant { kFixed, kRefit, kMagface, kNearest, kAll };

std::vector<RejectRule> rules_of(Variant variant) {
  if (variant != Variant::kAll) return {static_cast<RejectRule>(variant)};
  return {RejectRule::kFixed, RejectRule::kRefit, RejectRule::kMagface, RejectRule::kNearest};
}

class QualityMeasurement final : public Measurement {
 public:
  void add_options(OptionTable& table) override {
    choice_.add_options(table);
    table.add_choice("--variant", variant_,
                     {{"fixed", Variant::kFixed},
                      {"refit", Variant::kRefit},
                      {"magface", Variant::kMagface},
                      {"nearest", Variant::kNearest},
                      {"all", Variant::kAll}},
                     "What is left out, and where the threshold is taken anew");
    table.add_number("--fmr", fmrs_, 1e-9, 0.5,
                     "False match rates of the thresholds; those that the pairs cannot tell are left out");
    table.add("--quality", quality_lists_, "Further quality values: lists of name,value; larger is better");
    table.add("--sets", sets_,
              "Sets whose magnitudes are drawn too, [NAME=]PLACE,...: folders, packs, lists of names (.txt)");
    table.add("--levels", levels_,
              "Folder with levels.csv (file,source,kind,level) and its pictures; empty: DATA, if it has one");
  }

  void settle(const OptionTable&) override {
    choice_.settle(folder);
    if (variant_ == Variant::kMagface || variant_ == Variant::kAll) {
      for (const double fmr : fmrs_)
        require_usage(
            fmr_text(fmr).starts_with("1e-"),
            "--fmr {} and --variant magface contradict each other: MagFace's rule knows powers of ten only",
            fmr);
    }
    options_ = {rules_of(variant_), fmrs_};
  }

  void read() override {
    std::error_code error;
    set_ = choice_.open(folder, names);
    require_both_kinds(set_.pairs, set_.list.string());
    others_.clear();
    for (const std::string& list : quality_lists_) others_.push_back(read_quality(list, set_.pairs.images));
    further_ = sets_.empty() ? std::vector<NamedSet>() : open_sets(sets_, folder, names);
    fs::path levels = levels_.empty() ? folder / "levels.csv" : fs::path(levels_) / "levels.csv";
    degraded_.reset();
    if (!levels_.empty() || fs::is_regular_file(levels, error)) {
      degraded_ = read_degradation_set(levels, names);
      levels_csv_ = std::move(levels);
    }
  }

  Result run(FeatureSource& features) override {
    QualityFound found;
    std::string magnitudes;
    {
      const Embeddings embeddings = embed_set(features, set_);
      found.result = evaluate_quality(set_.pairs, embeddings, others_, options_);
      found.sets.push_back(magnitude_set("pairs", embeddings));
      magnitudes = magnitudes_csv(set_.pairs.images, embeddings);
    }
    for (const NamedSet& set : further_)
      found.sets.push_back(magnitude_set(set.name, features.of(*set.pictures)));
    found.histogram = magnitude_histogram(found.sets);
    if (degraded_) found.degradation = evaluate_degradation(features, *degraded_);

    Result result = quality_files(found);
    result.sheets["magnitudes.csv"] = std::move(magnitudes);
    auto& conditions = result.json["conditions"] = conditions_json(features, "pair_list", set_.list);
    conditions["pictures"] = to_json_text(folder.string());
    if (degraded_) conditions["levels"] = to_json_text(levels_csv_.string());
    if (!sets_.empty()) conditions["sets"] = to_json_text(sets_);
    return result;
  }

 private:
  VerifySetChoice choice_;
  std::string sets_, levels_;
  std::vector<std::string> quality_lists_;
  Variant variant_ = Variant::kFixed;
  std::vector<double> fmrs_ = QualityOptions().fmrs;
  QualityOptions options_;
  fs::path levels_csv_;
  VerifySet set_;
  std::vector<PictureQuality> others_;
  std::vector<NamedSet> further_;
  std::optional<DegradationSet> degraded_;
};

}  // namespace

extern const Protocol kQuality;
const Protocol kQuality{
    "quality",
    "Measure quality values: error-versus-reject curves, magnitudes by set, magnitude against degradation",
    "Folder of the pictures that the list names, or a verification pack (lfw.bin)",
    "quality.json, its tables as CSV, its figures as SVG and PNG",
    "Quality",
    "quality",
    nullptr,
    {"erc.csv", "magnitude_histogram.csv", "quality_scores.csv"},
    [] { return std::unique_ptr<Measurement>(std::make_unique<QualityMeasurement>()); },
    present_quality};

}  // namespace qcface::eval
