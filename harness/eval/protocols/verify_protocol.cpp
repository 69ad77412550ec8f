// `verify`: a pair list under --data, or a pack; constants of the quality-aware score as --qmf says.
#include <fmt/format.h>

#include <optional>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "harness/console/usage.h"
#include "harness/eval/protocol.h"
#include "harness/eval/protocols/fit_set.h"
#include "harness/eval/protocols/quality_constants.h"
#include "harness/eval/protocols/roc_sheet.h"
#include "harness/eval/protocols/verify.h"
#include "harness/eval/protocols/verify_protocol.h"
#include "harness/eval/protocols/verify_set.h"

namespace qcface::eval {
namespace {

class VerifyMeasurement final : public Measurement {
 public:
  void add_options(OptionTable& table) override {
    choice_.add_options(table);
    constants_.add_options(table, true);
    table.add("--fit-data", fit_data_, "Folder to fit the constants on, with --qmf fit");
    table.add("--fit-pairs", fit_pairs_,
              "Pair list over --fit-data; empty: pairs are drawn from its identities");
    table.add_number("--fit-seed", fit_seed_, 0, kLargestSeed, "Seed of that draw");
    table.add_choice("--fit-space", fit_space_, {{"sigmoid", QmagSpace::kSigmoid}, {"raw", QmagSpace::kRaw}},
                     "sigmoid re-creates the published constants");
  }

  void settle(const OptionTable& table) override {
    choice_.settle(folder);
    constants_.settle(table, preset);
    if (constants_.from() == QualityConstants::From::kFit) {
      require_usage(!fit_data_.empty(),
                    "--qmf fit needs --fit-data: a folder of training identities, or one with --fit-pairs");
      return;
    }
    for (const char* key : {"fit-pairs", "fit-data"}) {
      require_usage(!table.given(key), "--{} and any --qmf but fit contradict each other: choose --qmf fit",
                    key);
    }
  }

  void read() override { set_ = choice_.open(folder, names); }

  void require_accuracy() const override { require_measurable(set_.pairs, set_.list.string()); }

  Result run(FeatureSource& features) override {
    std::optional<QmagFit> fit;
    const std::optional<QmfConstants> constants = choose_constants(features, fit);
    const Embeddings embeddings = embed_set(features, set_);
    VerifyResult found = verify_embeddings(set_.pairs, embeddings, constants);
    found.fit = std::move(fit);
    if (found.pairs_excluded > 0) {
      log::warn("verification: {} of {} pairs are excluded, because a picture of theirs cannot be read",
                found.pairs_excluded, found.pairs_listed);
    }
    Result result;
    result.json = to_json(found);
    auto& conditions = result.json["conditions"] = conditions_json(features, "pair_list", set_.list);
    conditions["pictures"] = to_json_text(folder.string());
    conditions["swap_rb"] = features.options().preparation.swap_rb;
    result.sheets["magnitudes.csv"] = magnitudes_csv(set_.pairs.images, embeddings);
    std::string& roc = result.sheets["roc.csv"] = kRocHeader;
    if (found.cosine) append_roc(roc, "cosine", found.cosine->roc);
    if (found.qmf) append_roc(roc, "qmf", found.qmf->roc);
    result.sheets["scores.npy"] = scores_npy(found.cosine_scores, found.same_of_pair);
    if (found.cosine && found.cosine->kfold) {
      result.figures["accuracy"] = found.cosine->kfold->accuracy_mean;
      result.figures["accuracy_std"] = found.cosine->kfold->accuracy_std;
      result.headline = fmt::format("accuracy {:.2f}% (10-fold), ", 100 * found.cosine->kfold->accuracy_mean);
    }
    if (found.cosine) {
      result.figures["auc"] = found.cosine->auc;
      result.headline += fmt::format("AUC {:.4f}, ", found.cosine->auc);
    }
    if (found.insightface) result.figures["accuracy_insightface"] = found.insightface->accuracy_mean;
    result.figures["z_mean"] = found.magnitude_mean;
    result.headline += fmt::format("{} pairs", found.same + found.different);
    return result;
  }

 private:
  std::optional<QmfConstants> choose_constants(FeatureSource& features, std::optional<QmagFit>& fit) const {
    if (constants_.from() != QualityConstants::From::kFit) return constants_.fixed();
    const FitSet set = fit_pairs_.empty() ? folder_fit_set(fit_data_, fit_seed_, names)
                                          : list_fit_set(fit_pairs_, fit_data_, names);
    return fit_constants(features, set, fit_space_, fit);
  }

  VerifySetChoice choice_;
  std::string fit_pairs_, fit_data_;
  QualityConstants constants_;
  QmagSpace fit_space_ = QmagSpace::kSigmoid;
  std::uint64_t fit_seed_ = 0;
  VerifySet set_;
};

}  // namespace

extern const Protocol kVerify;
const Protocol kVerify{
    "verify",
    "Verify a pair list: 10-fold accuracy, ROC, AUC, TAR at FAR, cosine and quality-aware score",
    "Folder of the pictures that the list names, or a verification pack (lfw.bin)",
    "verify.json, roc.csv, roc.svg, roc.png, magnitudes.csv, scores.npy",
    "Verification",
    "verification",
    "FOLDER",
    {"roc.csv"},
    [] { return std::unique_ptr<Measurement>(std::make_unique<VerifyMeasurement>()); },
    present_verify};

}  // namespace qcface::eval
