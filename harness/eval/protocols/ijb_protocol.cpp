// `ijb`: IJB-B or IJB-C from its metadata and loose crops (or embeddings from elsewhere).
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "harness/console/interrupt.h"
#include "harness/console/progress.h"
#include "harness/console/usage.h"
#include "harness/data/align/aligned_pictures.h"
#include "harness/data/sets/image_folder.h"
#include "harness/eval/protocol.h"
#include "harness/eval/protocols/ijb_protocol.h"
#include "harness/eval/protocols/quality_constants.h"
#include "harness/eval/protocols/roc_sheet.h"

namespace qcface::eval {
namespace {

using nlohmann::json;

std::vector<IjbSimilarity> similarities_from(const std::vector<std::string>& names) {
  std::vector<IjbSimilarity> chosen;
  std::string known;
  for (int i = 0; i < kIjbSimilarities; ++i)
    known += std::string(i > 0 ? ", " : "") + std::string(name_of(static_cast<IjbSimilarity>(i)));
  for (const std::string& name : names) {
    bool found = false;
    for (int i = 0; i < kIjbSimilarities; ++i) {
      const auto similarity = static_cast<IjbSimilarity>(i);
      if (name_of(similarity) != name) continue;
      found = true;
      if (std::find(chosen.begin(), chosen.end(), similarity) == chosen.end()) chosen.push_back(similarity);
    }
    require_usage(found, "--similarity_method {} is not known; known: {}", printable(name, 100), known);
  }
  require_usage(!chosen.empty(), "--similarity_method needs one at least of {}", known);
  return chosen;
}

// The rows that a similarity takes: InsightFace's adds the embeddings of a picture and of its mirror image.
nn::RowsView rows_for(Embeddings& embeddings, FlipFusion asked, IjbSimilarity similarity) {
  const FlipFusion fusion = similarity == IjbSimilarity::kInsightface ? FlipFusion::kVectorAdd : asked;
  if (!embeddings.mirrored.empty() && embeddings.flip != fusion) {
    embeddings.flip = fusion;
    fuse_rows(embeddings);
  }
  nn::RowsView rows;
  rows.count = embeddings.count;
  rows.width = embeddings.fused.empty() ? embeddings.width : embeddings.fused_columns;
  rows.f32 = embeddings.fused.empty() ? embeddings.plain.data() : embeddings.fused.data();
  return rows;
}

// "1e-04" is 1e-4 in the names of figures.
std::string exponent(double value) {
  std::string text = fmt::format("{:.0e}", value);
  if (const std::size_t zero = text.find("-0"); zero != std::string::npos) text.erase(zero + 1, 1);
  return text;
}

class IjbMeasurement final : public Measurement {
 public:
  void add_options(OptionTable& table) override {
    table.add_choice("--dataset_name", dataset_, {{"auto", ""}, {"IJBB", "IJBB"}, {"IJBC", "IJBC"}},
                     "Which set; auto: the one that is there");
    table.add(
        "--similarity_method", similarities_,
        "One or several of cosine, qmf, euclid, insightface, magface: how templates are pooled and scored");
    constants_.add_options(table, false);
    const Choices<std::optional<Reduce>> reductions{{"auto", std::nullopt},
                                                    {"mean", Reduce::kMean},
                                                    {"sum", Reduce::kSum},
                                                    {"Q", Reduce::kQuality},
                                                    {"q1", Reduce::kQuality1}};
    table.add_choice("--media-reduce", choice_.media, reductions,
                     "How pictures of one media become a vector; auto: as the similarity has it");
    table.add_choice("--template-reduce", choice_.templates, reductions,
                     "How media become a template's vector; auto: as the similarity has it");
    table.add_flag("--published", choice_.published,
                   "Pool and scale as the published script does where that differs");
    table.add_flag("--no-detector-score", no_detector_,
                   "insightface: do not weight pictures by the detector's score");
    table.add_flag("--no-1v1", no_pairs_, "Leave verification of the listed pairs out");
    table.add_flag("--no-1n", no_identification_, "Leave identification out");
    table.add_flag("--aligned", aligned_, "The crops are 112x112 and aligned: the five points are not used");
    table.add_flag("--save-scores", save_scores_,
                   "Write scores.npy: same (0 or 1) and score of every pair, float64");
  }

  void settle(const OptionTable& table) override {
    chosen_ = similarities_from(similarities_);
    require_usage(!no_pairs_ || !no_identification_,
                  "--no-1v1 and --no-1n together leave nothing to measure");
    require_usage(!no_pairs_ || !save_scores_, "--save-scores and --no-1v1 contradict each other");
    constants_.settle(table, preset);
    const bool quality = std::find(chosen_.begin(), chosen_.end(), IjbSimilarity::kQmf) != chosen_.end();
    require_usage(!quality || constants_.from() != QualityConstants::From::kOff,
                  "--similarity_method qmf needs constants: --qmf preset --preset NAME, --qmf given, or "
                  "--qmf-from FILE");
    require_usage(quality || !(table.given("qmf") || table.given("qmf-from")) ||
                      constants_.from() == QualityConstants::From::kOff,
                  "--qmf has no meaning without --similarity_method qmf");
  }

  void read() override {
    methods_.clear();
    choice_.detector = !no_detector_;
    choice_.constants.reset();
    for (const IjbSimilarity similarity : chosen_) {
      if (similarity == IjbSimilarity::kQmf) choice_.constants = constants_.fixed();
      methods_.push_back(ijb_method(similarity, choice_));
    }
    const data::IjbParts parts{!no_pairs_, !no_identification_};
    data::IjbLists lists = data::read_ijb_lists(data::find_ijb(folder, dataset_), parts);
    for (const std::string& warning : lists.warnings) log::warn("{}", warning);
    data::require_ijb_pictures(lists, names);
    const std::filesystem::path crops = lists.place.root / "loose_crop";
    unaligned_ = 0;
    if (aligned_) {
      std::vector<std::string> files;
      for (const std::string& file : lists.files) files.push_back((crops / file).string());
      pictures_ = std::make_unique<data::ImageFolder>(data::ImageFolder::from_files(files));
    } else {
      auto pictures = std::make_unique<data::AlignedPictures>(crops, lists.files, lists.points);
      unaligned_ = pictures->unaligned();
      if (unaligned_ > 0 && names == nullptr) {
        log::warn("{}: the five points of {} pictures are one: their centre is taken", crops.string(),
                  unaligned_);
      }
      pictures_ = std::move(pictures);
    }
    set_.emplace(std::move(lists), parts);
  }

  Result run(FeatureSource& features) override {
    add_lists(features);
    Embeddings embeddings = features.of(*pictures_);
    const FlipFusion flip = embeddings.flip;
    const bool adds = std::find(chosen_.begin(), chosen_.end(), IjbSimilarity::kInsightface) != chosen_.end();
    if (!adds && !embeddings.fused.empty()) {  // gigabytes that nobody reads again
      std::vector<float>().swap(embeddings.plain);
      std::vector<float>().swap(embeddings.mirrored);
    }
    Result result;
    json methods = json::array();
    if (!no_pairs_) result.sheets["roc.csv"] = kRocHeader;
    for (const IjbMethod& method : methods_) {
      IjbFound found = measure(rows_for(embeddings, flip, method.similarity), embeddings.valid, method);
      methods.push_back(to_json(found));
      const bool first = &method == methods_.data();
      add_figures(found, first ? "" : fmt::format("_{}", name_of(method.similarity)), result);
      if (!found.verification) continue;
      append_roc(result.sheets["roc.csv"], name_of(method.similarity), found.verification->table.roc);
      if (save_scores_) {
        const std::string name =
            first ? "scores.npy" : fmt::format("scores_{}.npy", name_of(method.similarity));
        result.sheets[name] = scores_npy(found.verification->scores, set_->lists().same);
      }
    }
    result.sheets["ijb.csv"] = ijb_csv(methods);
    result.json = description(embeddings, flip);
    result.json["methods"] = std::move(methods);
    auto& conditions = result.json["conditions"] =
        conditions_json(features, "lists", set_->lists().place.root / "meta");
    conditions["pictures"] = to_json_text((set_->lists().place.root / "loose_crop").string());
    conditions["swap_rb"] = features.options().preparation.swap_rb;
    return result;
  }

 private:
  // Templates, pairs and subjects: what the figures rest on beside the pictures.
  void add_lists(FeatureSource& features) const {
    const data::IjbLists& lists = set_->lists();
    const auto add = [&](const auto& list) {
      features.add_data(list.data(), list.size() * sizeof(*list.data()));
    };
    add(lists.template_of);
    add(lists.media_of);
    add(lists.pairs);
    add(lists.same);
    for (const data::IjbSubjects* subjects : {&lists.gallery[0], &lists.gallery[1], &lists.probes}) {
      add(subjects->templates);
      add(subjects->subjects);
    }
  }

  IjbFound measure(const nn::RowsView& rows, std::span<const std::uint8_t> valid, const IjbMethod& method) {
    std::unique_ptr<Progress> progress;
    const auto step = [&](std::string_view what, std::int64_t done, std::int64_t total) {
      stop_if_interrupted();
      if (total == 0) {
        log::debug("{}: {}", name_of(method.similarity), what);
        return;
      }
      if (!progress)
        progress = std::make_unique<Progress>(std::string(what), static_cast<std::size_t>(total));
      progress->update(static_cast<std::size_t>(done));
    };
    return set_->measure(rows, valid, method, *scorer, step);
  }

  json description(const Embeddings& embeddings, FlipFusion flip) const {
    const data::IjbLists& lists = set_->lists();
    const auto same = std::count(lists.same.begin(), lists.same.end(), 1);
    json whole{{"format", "qcface-ijb/1"},
               {"units", "fractions, 0..1"},
               {"dataset", lists.place.dataset},
               {"published", choice_.published},
               {"pictures",
                {{"count", lists.files.size()},
                 {"unreadable", std::count(embeddings.valid.begin(), embeddings.valid.end(), 0)},
                 {"aligned", aligned_ ? "before" : "by five points"},
                 {"centre_cropped", unaligned_}}},
               {"templates", lists.templates.size()},
               {"media", set_->groups().picture_begin.size() - 1},
               {"flip", name_of(flip)},
               {"embed_seconds", embeddings.seconds},
               {"corrupt", corrupt_json(embeddings.corrupt)},
               {"warnings", warnings_json(lists.warnings)}};
    if (!no_pairs_) {
      whole["pairs"] = {{"used", lists.pairs.size()},
                        {"same", same},
                        {"different", lists.pairs.size() - static_cast<std::size_t>(same)}};
    }
    if (!no_identification_) {
      whole["gallery"] = {lists.gallery[0].size(), lists.gallery[1].size()};
      whole["probes"] = lists.probes.size();
    }
    if (choice_.constants) {
      whole["qmf_constants"] = constants_json(*choice_.constants);
    }
    return whole;
  }

  static void add_figures(const IjbFound& found, const std::string& suffix, Result& result) {
    std::string line = fmt::format("{}:", name_of(found.method.similarity));
    if (found.verification) {
      for (const TarRow& row : found.verification->table.tar) {
        result.figures["tar_nearest_" + exponent(row.far) + suffix] = row.tar_nearest;
        result.figures["tar_strict_" + exponent(row.far) + suffix] = row.tar_strict;
        if (row.far == 1e-4) line += fmt::format(" TAR {:.2f}% at FAR 1e-4", 100 * row.tar_nearest);
      }
      result.figures["auc" + suffix] = found.verification->auc;
      line += fmt::format(", AUC {:.4f}", found.verification->auc);
    }
    if (found.identification) {
      for (std::size_t i = 0; i < found.identification->top.size(); ++i)
        result.figures[fmt::format("top{}{}", kIjbRanks[i], suffix)] = found.identification->top[i];
      for (std::size_t i = 0; i < found.identification->tpir.size(); ++i)
        result.figures["tpir_" + exponent(kIjbFars[i]) + suffix] = found.identification->tpir[i];
      line +=
          fmt::format("{} top-1 {:.2f}%", found.verification ? "," : "", 100 * found.identification->top[0]);
    }
    result.headline += (result.headline.empty() ? "" : "; ") + line;
  }

  std::string dataset_;
  std::vector<std::string> similarities_{"cosine"};
  QualityConstants constants_;
  IjbChoice choice_;
  bool no_detector_ = false, no_pairs_ = false, no_identification_ = false, aligned_ = false,
       save_scores_ = false;
  std::vector<IjbSimilarity> chosen_;
  std::vector<IjbMethod> methods_;
  std::int64_t unaligned_ = 0;
  std::unique_ptr<data::PictureSource> pictures_;
  std::optional<IjbSet> set_;
};

}  // namespace

extern const Protocol kIjb;
const Protocol kIjb{
    "ijb",
    "IJB-B or IJB-C: verification of templates (TAR at FAR, AUC) and identification, closed and open set",
    "Folder of IJBB or IJBC (meta, loose_crop), or the one above",
    "ijb.json, ijb.csv, roc.csv, roc.svg, scores.npy",
    "IJB-B and IJB-C",
    "ijb",
    nullptr,
    {"roc.csv"},
    [] { return std::unique_ptr<Measurement>(std::make_unique<IjbMeasurement>()); },
    present_ijb,
    FlipFusion::kAverage};

}  // namespace qcface::eval
