// `verify`: a pair list under --data, or a pack; constants of the quality-aware score as --qmf says.
#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <optional>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "harness/console/usage.h"
#include "harness/data/sets/image_folder.h"
#include "harness/eval/protocol.h"
#include "harness/eval/protocols/verify.h"
#include "harness/eval/protocols/verify_protocol.h"
#include "harness/eval/protocols/verify_set.h"

namespace qcface::eval {
namespace {

namespace fs = std::filesystem;

// Pictures and pairs that constants are fitted on.
struct FitPairs {
  std::vector<std::string> files;
  std::vector<std::pair<int, int>> pairs;
  std::vector<char> same;
};

FitPairs draw_fit_pairs(const fs::path& folder, std::uint64_t seed) {
  const data::ImageFolder set = data::scan_image_folder(folder);
  for (const std::string& warning : set.warnings()) log::warn("{}", warning);
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < set.size(); ++i) labels.push_back(set.label(i));
  DrawnPairs drawn = draw_training_pairs(labels, seed);
  FitPairs result;
  result.same = std::move(drawn.same);
  // Only the pictures that were drawn are embedded.
  std::vector<int> row(labels.size(), -1);
  const auto row_of = [&](std::int64_t picture) {
    int& place = row[static_cast<std::size_t>(picture)];
    if (place < 0) {
      place = static_cast<int>(result.files.size());
      result.files.push_back(set.path(picture));
    }
    return place;
  };
  for (const auto& [a, b] : drawn.pairs) {
    const int first = row_of(a);
    result.pairs.emplace_back(first, row_of(b));
  }
  return result;
}

void append_roc(std::string& csv, std::string_view name, const Roc& roc) {
  for (std::size_t i = 0; i < roc.points.size(); ++i) {
    fmt::format_to(std::back_inserter(csv), "{},{},{},{}\n", name, roc.fpr(i), roc.tpr(i),
                   roc.points[i].threshold);
  }
}

/// Where the constants of the quality-aware score come from; off: it is left out.
enum class Qmf { kOff, kGiven, kPreset, kFit };

class VerifyMeasurement final : public Measurement {
 public:
  void add_options(OptionTable& table) override {
    table.add("--pairs", pairs_,
              "Pair list: lines `a b 1` (same) or `a b 0`; empty: DATA/pairs.list, or the pairs of the pack");
    table.add_flag("--allow-missing", allow_missing_,
                   "Leave pairs out whose pictures are missing, and count them; else that is an error");
    table.add_choice(
        "--qmf", qmf_,
        {{"off", Qmf::kOff}, {"given", Qmf::kGiven}, {"preset", Qmf::kPreset}, {"fit", Qmf::kFit}},
        "Constants of the quality-aware score");
    table.add_number("--alpha", alpha_, -1e6, 1e6, "Constant alpha, with --qmf given");
    table.add_number("--beta", beta_, -1e6, 1e6, "Constant beta, with --qmf given");
    table.add("--preset", preset_, "Published constants by name, with --qmf preset");
    table.add("--fit-data", fit_data_, "Folder to fit the constants on, with --qmf fit");
    table.add("--fit-pairs", fit_pairs_,
              "Pair list over --fit-data; empty: pairs are drawn from its identities");
    table.add_number("--fit-seed", fit_seed_, 0, kLargestSeed, "Seed of that draw");
    table.add_choice("--fit-space", fit_space_, {{"sigmoid", QmagSpace::kSigmoid}, {"raw", QmagSpace::kRaw}},
                     "sigmoid re-creates the published constants");
  }

  void settle(const OptionTable& table) override {
    std::error_code error;
    require_usage(
        pairs_.empty() || !fs::is_regular_file(folder, error),
        "--pairs and the verification pack --data {} contradict each other: a pack holds its own pairs",
        folder.string());
    if (qmf_ == Qmf::kGiven) {
      require_usage(table.given("alpha") && table.given("beta"), "--qmf given needs --alpha and --beta");
    } else if (qmf_ == Qmf::kPreset) {
      require_usage(!preset_.empty(), "--qmf preset needs --preset, for example qcface/ir50");
    } else if (qmf_ == Qmf::kFit) {
      require_usage(!fit_data_.empty(),
                    "--qmf fit needs --fit-data: a folder of training identities, or one with --fit-pairs");
    } else {
      for (const char* key : {"alpha", "beta", "preset", "fit-pairs", "fit-data"}) {
        require_usage(!table.given(key),
                      "--{} and --qmf off contradict each other: choose --qmf given, preset or fit", key);
      }
    }
  }

  void read() override {
    set_ = open_verify_set(folder, pairs_.empty() ? folder / "pairs.list" : fs::path(pairs_),
                           {names, allow_missing_});
    if (set_.pairs.left_out > 0) {
      log::warn("{}: {} of {} pairs are left out: a picture of theirs is missing", set_.list.string(),
                set_.pairs.left_out, set_.pairs.left_out + static_cast<std::int64_t>(set_.pairs.size()));
    }
  }

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
    std::string& roc = result.sheets["roc.csv"] = "score,fpr,tpr,threshold\n";
    if (found.cosine) append_roc(roc, "cosine", found.cosine->roc);
    if (found.qmf) append_roc(roc, "qmf", found.qmf->roc);
    result.sheets["scores.npy"] = scores_npy(found);
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
    if (qmf_ == Qmf::kGiven) {
      require(std::isfinite(alpha_) && std::isfinite(beta_),
              "quality-aware score: alpha {} and beta {} must be finite", alpha_, beta_);
      return QmfConstants{alpha_, beta_, "given"};
    }
    if (qmf_ == Qmf::kPreset) return qmf_preset(preset_);
    if (qmf_ != Qmf::kFit) return std::nullopt;
    FitPairs chosen;
    std::string source;
    if (fit_pairs_.empty()) {
      chosen = draw_fit_pairs(fit_data_, fit_seed_);
      source = fmt::format("fitted on {}, seed {}", fit_data_, fit_seed_);
    } else {
      data::PairList list = data::read_pairs(fit_pairs_, fit_data_);
      require_both_kinds(list, fit_pairs_);
      chosen = {std::move(list.images), std::move(list.pairs), std::move(list.same)};
      source = fmt::format("fitted on {}", fit_pairs_);
    }
    QmagFitOptions how;
    how.space = fit_space_;
    const PairMaterial material = pair_material(features.of(chosen.files), chosen.pairs, chosen.same);
    fit = fit_qmag(material.cosine, material.quality, material.same, how);
    if (how.space == QmagSpace::kRaw) source += ", raw space";
    source += fmt::format(", {} pairs", material.same.size());
    return QmfConstants{fit->alpha, fit->beta, source};
  }

  std::string pairs_, preset_, fit_pairs_, fit_data_;
  Qmf qmf_ = Qmf::kOff;
  QmagSpace fit_space_ = QmagSpace::kSigmoid;
  double alpha_ = 0, beta_ = 0;
  std::uint64_t fit_seed_ = 0;
  bool allow_missing_ = false;
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
