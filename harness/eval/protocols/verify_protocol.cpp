// `verify`: a pair list under --data, or a pack; constants of the quality-aware score as --qmf says.
#include <fmt/format.h>

#include <optional>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "harness/console/usage.h"
#include "harness/data/sets/image_folder.h"
#include "harness/data/sets/verification_pack.h"
#include "harness/eval/protocol.h"
#include "harness/eval/protocols/quality_constants.h"
#include "harness/eval/protocols/roc_sheet.h"
#include "harness/eval/protocols/verify.h"
#include "harness/eval/protocols/verify_protocol.h"

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

class VerifyMeasurement final : public Measurement {
 public:
  void add_options(OptionTable& table) override {
    table.add("--pairs", pairs_,
              "Pair list: lines `a b 1` (same) or `a b 0`; empty: DATA/pairs.list, or the pairs of the pack");
    constants_.add_options(table, true);
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
    constants_.settle(table);
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

  void read() override {
    std::error_code error;
    pictures_.reset();
    if (fs::is_regular_file(folder, error)) {
      auto pack = std::make_unique<data::VerificationPack>(folder);
      list_ = folder;
      material_ = pack->pairs();
      pictures_ = std::move(pack);
    } else {
      list_ = pairs_.empty() ? folder / "pairs.list" : fs::path(pairs_);
      material_ = data::read_pairs(list_, folder);
      pictures_ = std::make_unique<data::ImageFolder>(data::ImageFolder::from_files(material_.images));
    }
  }

  void require_accuracy() const override { require_measurable(material_, list_.string()); }

  Result run(FeatureSource& features) override {
    std::optional<QmagFit> fit;
    const std::optional<QmfConstants> constants = choose_constants(features, fit);
    const Embeddings embeddings = features.of(*pictures_);
    VerifyResult found = verify_embeddings(material_, embeddings, constants);
    found.fit = std::move(fit);
    if (found.pairs_excluded > 0) {
      log::warn("verification: {} of {} pairs are excluded, because a picture of theirs cannot be read",
                found.pairs_excluded, found.pairs_listed);
    }
    Result result;
    result.json = to_json(found);
    auto& conditions = result.json["conditions"] = conditions_json(features, "pair_list", list_);
    conditions["pictures"] = to_json_text(folder.string());
    conditions["swap_rb"] = features.options().preparation.swap_rb;
    result.sheets["magnitudes.csv"] = magnitudes_csv(material_.images, embeddings);
    std::string& roc = result.sheets["roc.csv"] = kRocHeader;
    if (found.cosine) append_roc(roc, "cosine", found.cosine->roc);
    if (found.qmf) append_roc(roc, "qmf", found.qmf->roc);
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

  std::string pairs_, fit_pairs_, fit_data_;
  QualityConstants constants_;
  QmagSpace fit_space_ = QmagSpace::kSigmoid;
  std::uint64_t fit_seed_ = 0;
  fs::path list_;
  data::PairList material_;
  std::unique_ptr<data::PictureSource> pictures_;  // those of material_.images
};

}  // namespace

extern const Protocol kVerify;
const Protocol kVerify{
    "verify",
    "Verify a pair list: 10-fold accuracy, ROC, AUC, TAR at FAR, cosine and quality-aware score",
    "Folder of the pictures that the list names, or a verification pack (lfw.bin)",
    "verify.json, roc.csv, roc.svg, magnitudes.csv",
    "Verification",
    "verification",
    "FOLDER",
    {"roc.csv"},
    [] { return std::unique_ptr<Measurement>(std::make_unique<VerifyMeasurement>()); },
    present_verify};

}  // namespace qcface::eval
