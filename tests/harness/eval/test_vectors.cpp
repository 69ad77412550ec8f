// Every protocol vector of the measures in this room. Limits: counts, indices and fold accuracies exact, scores and
// areas 1e-12 relative in double (1e-6 where the vector holds f32).
#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <limits>
#include <span>

#include "harness/data/lists/pairs.h"
#include "harness/eval/features/features.h"
#include "harness/eval/features/flip_fusion.h"
#include "harness/eval/measures/kfold.h"
#include "harness/eval/measures/kfold_insightface.h"
#include "harness/eval/measures/qmag_fit.h"
#include "harness/eval/measures/roc.h"
#include "harness/eval/measures/scores.h"
#include "harness/eval/measures/spearman.h"
#include "tests/harness/eval/support.h"
#include "tests/support/temporary_folder.h"

using namespace qcface;
using namespace qcface::eval;
using qcface::test::labels_of;
using qcface::test::load_vector;
using qcface::test::numbers;
using qcface::test::relative_error;

namespace {
constexpr double kTight = 1e-12;
}  // namespace

TEST_CASE("vector verification_kfold: ten folds and mean ROC") {
  const auto file = load_vector("verification_kfold.json");
  REQUIRE(file.at("cases").size() == 2);
  for (const auto& c : file.at("cases")) {
    const auto scores = numbers(c.at("scores"));
    const auto same = labels_of(c.at("labels"));
    const KfoldResult result = kfold_accuracy(scores, same, c.at("n_thresholds").get<int>());
    REQUIRE(result.folds.size() == c.at("n_folds").get<std::size_t>());
    for (std::size_t fold = 0; fold < result.folds.size(); ++fold) {
      CAPTURE(fold);
      REQUIRE(result.folds[fold].pairs == c.at("fold_sizes")[fold].get<std::int64_t>());
      REQUIRE(result.folds[fold].threshold_index == c.at("best_threshold_index")[fold].get<int>());
      REQUIRE(result.folds[fold].accuracy == c.at("fold_accuracy")[fold].get<double>());
    }
    REQUIRE(relative_error(result.accuracy_mean, c.at("acc_mean")) <= kTight);
    REQUIRE(relative_error(result.accuracy_std, c.at("acc_std")) <= kTight);
    REQUIRE(result.mean_roc[0].threshold == c.at("thr_min").get<double>());
    REQUIRE(result.mean_roc[1].threshold == c.at("thr_index1").get<double>());
    REQUIRE(result.mean_roc.back().threshold == c.at("thr_max").get<double>());
    const auto& kfold = c.at("kfold");
    REQUIRE(relative_error(100 * result.auc_kfold, kfold.at("auc_percent")) <= kTight);
    REQUIRE(relative_error(100 * result.eer, kfold.at("eer_percent")) <= kTight);
    REQUIRE(relative_error(result.eer_threshold, kfold.at("eer_threshold")) <= kTight);
    REQUIRE(relative_error(100 * fnmr_at_fmr(result, 0.1), kfold.at("fnmr_percent_at_fmr_1e-1")) <= kTight);
    REQUIRE(relative_error(100 * fnmr_at_fmr(result, 0.01), kfold.at("fnmr_percent_at_fmr_1e-2")) <= kTight);
    REQUIRE(kfold.at("roc_rows").size() > 3);
    for (const auto& row : kfold.at("roc_rows")) {
      const MeanRocRow& got = result.mean_roc[row.at("i").get<std::size_t>()];
      REQUIRE(relative_error(got.fpr, row.at("fpr")) <= kTight);
      REQUIRE(relative_error(got.tpr, row.at("tpr")) <= kTight);
      REQUIRE(relative_error(got.threshold, row.at("thr")) <= kTight);
    }
  }
}

TEST_CASE("vector verification_kfold: without folds") {
  const auto file = load_vector("verification_kfold.json");
  REQUIRE(file.at("cases").size() == 2);
  for (const auto& c : file.at("cases")) {
    const auto scores = numbers(c.at("scores"));
    const auto same = labels_of(c.at("labels"));
    const auto& want = c.at("no_kfold");
    const Roc roc = compute_roc(scores, same);
    const RocSummary summary = summarize(roc);
    REQUIRE(relative_error(100 * summary.best_accuracy, want.at("best_accuracy_percent")) <= kTight);
    REQUIRE(relative_error(100 * auc(roc), want.at("auc_percent")) <= kTight);
    REQUIRE(relative_error(100 * summary.eer, want.at("eer_percent")) <= kTight);
    REQUIRE(relative_error(100 * fnmr_at_fmr(roc, 0.1), want.at("fnmr_percent_at_fmr_1e-1")) <= kTight);
    REQUIRE(relative_error(100 * fnmr_at_fmr(roc, 0.01), want.at("fnmr_percent_at_fmr_1e-2")) <= kTight);
  }
}

TEST_CASE("vector verification_insightface: accuracy, VAL at FAR, mean norm") {
  const auto file = load_vector("verification_insightface.json");
  const auto plain = file.at("embeddings").get<std::vector<std::vector<double>>>();
  const auto mirrored = file.at("embeddings_flipped").get<std::vector<std::vector<double>>>();
  const auto same = labels_of(file.at("issame"));
  const auto want = numbers(file.at("squared_distance"));
  REQUIRE(plain.size() == 2 * want.size());

  std::vector<double> distances;
  double norms = 0;
  for (std::size_t k = 0; k < want.size(); ++k) {
    std::array<std::vector<double>, 2> unit;
    std::array<std::vector<float>, 2> narrow;
    for (std::size_t side = 0; side < 2; ++side) {
      const auto& f = plain[2 * k + side];
      const auto& g = mirrored[2 * k + side];
      unit[side].resize(f.size());
      fuse(FlipFusion::kVectorAdd, f, g, unit[side]);
      narrow[side].assign(unit[side].begin(), unit[side].end());
      double length = 0, length_f = 0, length_g = 0;
      for (std::size_t d = 0; d < f.size(); ++d) {
        length += unit[side][d] * unit[side][d];
        length_f += f[d] * f[d];
        length_g += g[d] * g[d];
      }
      for (double& value : unit[side]) value /= std::sqrt(length);
      norms += std::sqrt(length_f) + std::sqrt(length_g);
    }
    double distance = 0;
    for (std::size_t d = 0; d < unit[0].size(); ++d) distance += std::pow(unit[0][d] - unit[1][d], 2);
    CAPTURE(k);
    REQUIRE(relative_error(distance, want[k]) <= kTight);
    REQUIRE(relative_error(squared_distance(narrow[0], narrow[1]), want[k]) <= 1e-5);  // f32 input
    distances.push_back(distance);
  }
  REQUIRE(relative_error(norms / static_cast<double>(2 * plain.size()), file.at("mean_norm")) <= kTight);

  const InsightFaceResult result = kfold_accuracy_insightface(want, same);
  for (std::size_t fold = 0; fold < result.folds.size(); ++fold) {
    REQUIRE(result.folds[fold].threshold_index == file.at("best_threshold_index")[fold].get<int>());
    REQUIRE(result.folds[fold].accuracy == file.at("fold_accuracy")[fold].get<double>());
  }
  REQUIRE(relative_error(result.accuracy_mean, file.at("acc_mean")) <= kTight);
  REQUIRE(relative_error(result.accuracy_std, file.at("acc_std")) <= kTight);
  for (const auto& [key, target] : {std::pair{"val", 1e-3}, std::pair{"val_far_target_0_05", 0.05}}) {
    const ValResult val = val_at_far_insightface(want, same, target);
    REQUIRE(relative_error(val.val_mean, file.at(key).at("val_mean")) <= kTight);
    REQUIRE(relative_error(val.val_std, file.at(key).at("val_std")) <= kTight);
    REQUIRE(relative_error(val.far_mean, file.at(key).at("far_mean")) <= kTight);
  }
}

TEST_CASE("vector roc_tar: points, area, TAR by both rules") {
  const auto file = load_vector("roc_tar.json");
  const auto scores = numbers(file.at("scores"));
  const auto same = labels_of(file.at("labels"));
  const Roc thinned = compute_roc(scores, same, RocPoints::kThinned);
  const Roc all = compute_roc(scores, same, RocPoints::kAll);
  REQUIRE(thinned.points.size() == file.at("n_points_drop_intermediate").get<std::size_t>());
  REQUIRE(all.points.size() == file.at("n_points_all").get<std::size_t>());
  REQUIRE(thinned.fpr(0) == 0);
  REQUIRE(thinned.tpr(0) == 0);
  REQUIRE(thinned.fpr(thinned.points.size() - 1) == 1);
  REQUIRE(relative_error(auc(thinned), file.at("auc")) <= kTight);
  REQUIRE(relative_error(auc(all), file.at("auc_all_points")) <= kTight);
  const auto rows = tar_at_far(thinned, scores, same);
  const auto rows_all = tar_at_far(all, scores, same);
  REQUIRE(rows.size() == file.at("tar_nearest").size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CAPTURE(i);
    const auto& nearest = file.at("tar_nearest")[i];
    REQUIRE(rows[i].far == nearest.at("far").get<double>());
    REQUIRE(relative_error(rows[i].tar_nearest, nearest.at("tar")) <= kTight);
    REQUIRE(relative_error(rows[i].far_nearest, nearest.at("fpr_used")) <= kTight);
    const auto& nearest_all = file.at("tar_nearest_all_points")[i];
    REQUIRE(relative_error(rows_all[i].tar_nearest, nearest_all.at("tar")) <= kTight);
    REQUIRE(relative_error(rows_all[i].far_nearest, nearest_all.at("fpr_used")) <= kTight);
    const auto& strict = file.at("tar_strict")[i];
    REQUIRE(rows[i].threshold_strict == strict.at("threshold").get<double>());
    REQUIRE(relative_error(rows[i].tar_strict, strict.at("tar")) <= kTight);
    REQUIRE(relative_error(rows[i].far_strict, strict.at("fpr_used")) <= kTight);
    REQUIRE(rows[i].resolvable == (rows[i].far * static_cast<double>(thinned.different) >= 1));
  }
}

TEST_CASE("vector qmagface: scores and presets") {
  const auto file = load_vector("qmagface.json");
  const auto embeddings = file.at("embeddings").get<std::vector<std::vector<float>>>();
  const auto want_cosine = numbers(file.at("cosine"));
  const auto want_quality = numbers(file.at("quality"));
  for (std::size_t i = 0; i < want_cosine.size(); ++i) {
    const auto& f1 = embeddings[file.at("pairs")[i][0].get<std::size_t>()];
    const auto& f2 = embeddings[file.at("pairs")[i][1].get<std::size_t>()];
    CAPTURE(i);
    REQUIRE(std::fabs(cosine(f1, f2) - want_cosine[i]) <= 1e-6);
    REQUIRE(relative_error(std::min(magnitude(f1), magnitude(f2)), want_quality[i]) <= 1e-6);
  }
  REQUIRE(file.at("scores").size() == 3);
  for (const auto& [arch, entry] : file.at("scores").items()) {
    const QmfConstants constants = qmf_preset("qcface/" + arch);
    REQUIRE(constants.alpha == entry.at("alpha").get<double>());
    REQUIRE(constants.beta == entry.at("beta").get<double>());
    const auto want = numbers(entry.at("score"));
    for (std::size_t i = 0; i < want.size(); ++i) {
      const double got = qmf_score(want_cosine[i], want_quality[i], constants.alpha, constants.beta);
      REQUIRE(std::fabs(got - want[i]) <= 1e-12 * std::max(1.0, std::fabs(want[i])));
    }
  }
}

TEST_CASE("vector qmagface: fit of alpha and beta in both spaces") {
  const auto file = load_vector("qmagface.json");
  const auto s = numbers(file.at("cosine"));
  const auto q = numbers(file.at("quality"));
  const auto same = labels_of(file.at("labels"));
  const auto& training = file.at("training");
  QmagFitOptions options;
  options.weights = training.at("weights_num");
  options.fmr_targets = training.at("fmr_num");
  options.fmr_min = training.at("fmr_min");
  options.fmr_max = training.at("fmr_max");
  options.max_ratio = training.at("max_ratio");
  for (const bool raw : {false, true}) {
    CAPTURE(raw);
    const auto& want = raw ? file.at("training_raw_space") : training;
    options.space = raw ? QmagSpace::kRaw : QmagSpace::kSigmoid;
    const QmagFit fit = fit_qmag(s, q, same, options);
    REQUIRE(relative_error(fit.max_omega, training.at("max_omega")) <= kTight);
    const auto thresholds = numbers(want.at(raw ? "thresholds" : "thresholds_sigmoid_space"));
    const auto omegas = numbers(want.at("omegas"));
    REQUIRE(fit.thresholds.size() == thresholds.size());
    for (std::size_t i = 0; i < thresholds.size(); ++i) {
      CAPTURE(i);
      REQUIRE(relative_error(fit.thresholds[i], thresholds[i]) <= kTight);
      REQUIRE(relative_error(fit.omegas[i], omegas[i]) <= 1e-11);
    }
    REQUIRE(relative_error(fit.beta, want.at("beta")) <= 1e-11);
    REQUIRE(relative_error(fit.alpha, want.at("alpha")) <= 1e-11);
    REQUIRE(fit.skipped_targets == 0);
  }
}

TEST_CASE("vector spearman: ranks, pooled and per picture") {
  const auto file = load_vector("spearman.json");
  const auto magnitudes = numbers(file.at("magnitude"));
  const auto levels = numbers(file.at("level"));
  REQUIRE(average_ranks(magnitudes) == numbers(file.at("magnitude_ranks")));
  REQUIRE(average_ranks(levels) == numbers(file.at("level_ranks")));
  const auto rho = spearman(magnitudes, levels);
  REQUIRE(rho.has_value());
  REQUIRE(relative_error(*rho, file.at("rho")) <= kTight);
  REQUIRE(relative_error(kendall_tau_b(magnitudes, levels).value(), file.at("kendall_tau_b")) <= kTight);
  const auto& per_image = file.at("per_image");
  std::vector<std::int64_t> sources;
  for (std::size_t i = 0; i < magnitudes.size(); ++i) {
    sources.push_back(static_cast<std::int64_t>(i % per_image.at("rho").size()));
  }
  const SpearmanBySource by_source = spearman_by_source(magnitudes, levels, sources);
  REQUIRE(by_source.rho.size() == per_image.at("rho").size());
  for (std::size_t i = 0; i < by_source.rho.size(); ++i) {
    REQUIRE(by_source.rho[i].has_value());
    REQUIRE(relative_error(*by_source.rho[i], per_image.at("rho")[i]) <= kTight);
  }
  REQUIRE(relative_error(by_source.mean.value(), per_image.at("mean")) <= kTight);
  REQUIRE(relative_error(by_source.median.value(), per_image.at("median")) <= kTight);
}

TEST_CASE("vector flip_fusion: every fusion") {
  const auto file = load_vector("flip_fusion.json");
  const auto f = file.at("feature").get<std::vector<std::vector<double>>>();
  const auto g = file.at("feature_flipped").get<std::vector<std::vector<double>>>();
  for (const char* name : {"average", "norm_weighted_avg", "pre_norm_vector_add", "concat"}) {
    const auto& want = file.at(name);
    const FlipFusion fusion = flip_fusion_from_name(name);
    for (std::size_t i = 0; i < f.size(); ++i) {
      CAPTURE(name, i);
      std::vector<double> got(
          static_cast<std::size_t>(fused_width(fusion, static_cast<std::int64_t>(f[i].size()))));
      fuse(fusion, f[i], g[i], got);
      const auto direction = numbers(want.at("direction")[i]);
      REQUIRE(direction.size() == got.size());
      double length = 0, direction_length = 0;
      for (const double value : got) length += value * value;
      for (const double value : direction) direction_length += value * value;
      length = std::sqrt(length);
      direction_length = std::sqrt(direction_length);  // sqrt(2) for concat
      REQUIRE(relative_error(length, want.at("norm")[i]) <= 1e-12);
      for (std::size_t d = 0; d < got.size(); ++d) {
        REQUIRE(std::fabs(got[d] / length - direction[d] / direction_length) <= 1e-12);
      }
      if (want.contains("feature")) {
        const auto feature = numbers(want.at("feature")[i]);
        for (std::size_t d = 0; d < got.size(); ++d) REQUIRE(std::fabs(got[d] - feature[d]) <= 1e-11);
      }
    }
  }
}

TEST_CASE("vector hq_cache: embeddings and names of a published cache, rows of a pair list by number") {
  const auto file = load_vector("hq_cache/expected.json");
  FileFeatures features(test::vectors("hq_cache/embeddings_toy.npy"),
                        test::vectors("hq_cache/filenames_toy.npy"), std::nullopt);
  const data::PictureNames& names = features.names();
  REQUIRE(names.size() == file.at("filenames").size());
  for (std::size_t row = 0; row < names.size(); ++row) REQUIRE(names[row] == file.at("filenames")[row]);
  // The pictures themselves are not part of the vector, and need not be there.
  const std::filesystem::path root =
      file.at("root").get<std::string>() + "/" + file.at("db").get<std::string>();
  const auto list = data::read_pairs(test::vectors("hq_cache/toy_pairs.list"), root, {&names});
  const Embeddings embeddings = features.of(list.images);
  const auto& rows = file.at("rows_of_pairs");
  REQUIRE(!rows.empty());
  REQUIRE(list.size() == rows.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto [a, b] = list.pairs[i];
    const auto row_of = [&](int image) { return names.find(list.images[static_cast<std::size_t>(image)]); };
    REQUIRE(row_of(a) == rows[i][0].get<std::size_t>());
    REQUIRE(row_of(b) == rows[i][1].get<std::size_t>());
    REQUIRE((list.same[i] != 0) == (file.at("labels")[i].get<int>() != 0));
    const double got = cosine(embeddings.row(a), embeddings.row(b));
    REQUIRE(std::fabs(got - file.at("cosine")[i].get<double>()) <= 1e-6);
    REQUIRE(relative_error(embeddings.magnitudes[static_cast<std::size_t>(a)],
                           file.at("magnitude")[*row_of(a)]) <= 1e-6);
  }
  const test::TemporaryFolder folder;
  std::ofstream(folder.path() / "absent.list") << "0 77 1\n";
  REQUIRE(test::contains(
      test::error_of([&] { (void)data::read_pairs(folder.path() / "absent.list", root, {&names}); }), "77"));
}
