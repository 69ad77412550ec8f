#include "harness/eval/commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/log.h"
#include "core/npy.h"
#include "core/text.h"
#include "harness/data/image_folder.h"
#include "harness/data/picture_list.h"
#include "harness/eval/results.h"

namespace qcface::eval {
namespace {

QmfConstants fit_constants(Embedder& embedder, const VerifyOptions& options, QmagFit& fit) {
  Embeddings embeddings;
  PairMaterial material;
  std::string source;
  require(!options.fit_images.empty(), "fit of the quality-aware score: needs a folder of training pictures");
  if (!options.fit_pairs.empty()) {
    const data::PairList list = data::read_pairs(options.fit_pairs, options.fit_images);
    require_both_kinds(list, options.fit_pairs.string());
    embeddings = extract_embeddings(embedder, list.images, options.extract);
    material = pair_material(embeddings, list.pairs, list.same);
    source = fmt::format("fitted on {}", options.fit_pairs.string());
  } else {
    const std::array roots{options.fit_images};
    const data::ImageFolder set = data::scan_image_folder(roots);
    for (const std::string& warning : set.warnings()) log::warn("{}", warning);
    std::vector<std::int64_t> labels;
    for (std::int64_t i = 0; i < set.size(); ++i) labels.push_back(set.label(i));
    const DrawnPairs drawn = draw_training_pairs(labels, options.fit_seed);
    // Only the pictures that were drawn are embedded.
    std::vector<int> row(labels.size(), -1);
    std::vector<std::string> files;
    std::vector<std::pair<int, int>> pairs;
    const auto row_of = [&](std::int64_t picture) {
      int& place = row[static_cast<std::size_t>(picture)];
      if (place < 0) {
        place = static_cast<int>(files.size());
        files.push_back(set.path(picture));
      }
      return place;
    };
    for (const auto& [a, b] : drawn.pairs) {
      const int first = row_of(a);
      pairs.emplace_back(first, row_of(b));
    }
    embeddings = extract_embeddings(embedder, files, options.extract);
    material = pair_material(embeddings, pairs, drawn.same);
    source = fmt::format("fitted on {}, seed {}", options.fit_images.string(), options.fit_seed);
  }
  fit = fit_qmag(material.cosine, material.quality, material.same, options.fit);
  if (options.fit.space == QmagSpace::kRaw) source += ", raw space";
  source += fmt::format(", {} pairs", material.same.size());
  return {fit.alpha, fit.beta, source};
}

std::optional<QmfConstants> choose_constants(Embedder& embedder, const VerifyOptions& options,
                                             std::optional<QmagFit>& fit) {
  switch (options.qmf) {
    case QmfChoice::kOff:
      return std::nullopt;
    case QmfChoice::kGiven:
      require(std::isfinite(options.alpha) && std::isfinite(options.beta),
              "quality-aware score: alpha {} and beta {} must be finite", options.alpha, options.beta);
      return QmfConstants{options.alpha, options.beta, "given"};
    case QmfChoice::kPreset:
      return qmf_preset(options.preset);
    case QmfChoice::kFit:
      fit.emplace();
      return fit_constants(embedder, options, *fit);
  }
  return std::nullopt;
}

nlohmann::json conditions_json(const std::map<std::string, std::string>& conditions,
                               const ExtractOptions& extract) {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [key, value] : conditions) json[key] = to_json_text(value);
  json["mean"] = extract.preparation.mean;
  json["std"] = extract.preparation.std;
  return json;
}

}  // namespace

VerifyResult run_eval_verify(Embedder& embedder, const VerifyOptions& options) {
  const data::PairList pairs = data::read_pairs(options.pairs, options.images);
  require_measurable(pairs, options.pairs.string());
  require_writable_folder(options.out, "--out");  // before the long part
  std::optional<QmagFit> fit;
  const std::optional<QmfConstants> constants = choose_constants(embedder, options, fit);
  const Embeddings embeddings = extract_embeddings(embedder, pairs.images, options.extract);
  VerifyResult result = verify_embeddings(pairs, embeddings, constants);
  result.fit = std::move(fit);
  if (result.pairs_excluded > 0) {
    log::warn("verification: {} of {} pairs are excluded, because a picture of theirs cannot be read",
              result.pairs_excluded, result.pairs_listed);
  }
  nlohmann::json conditions = conditions_json(options.conditions, options.extract);
  conditions["pair_list"] = to_json_text(options.pairs.string());
  conditions["pictures"] = to_json_text(options.images.string());
  conditions["swap_rb"] = options.extract.preparation.swap_rb;
  write_verify(options.out, result, conditions, pairs.images, embeddings);
  return result;
}

DegradationResult run_eval_degradation(Embedder& embedder, const DegradationOptions& options) {
  const DegradationSet set = read_degradation_set(options.levels);
  require_writable_folder(options.out, "--out");
  DegradationResult result = evaluate_degradation(embedder, set, options.extract);
  nlohmann::json conditions = conditions_json(options.conditions, options.extract);
  conditions["levels"] = to_json_text(options.levels.string());
  write_degradation(options.out, result, conditions);
  return result;
}

EmbedResult run_embed(Embedder& embedder, const EmbedOptions& options) {
  const data::PictureList list = data::list_pictures(options.images);
  const std::vector<std::string>& files = list.files;
  if (list.left_out.count() > 0) {
    log::warn("{}: left out: {}", options.images.string(), list.left_out.describe());
  }
  std::vector<std::string> relative;
  for (const std::string& file : files) {
    relative.push_back(std::filesystem::path(file).lexically_relative(options.images).generic_string());
  }
  require_writable_folder(options.out, "--out");
  const Embeddings embeddings = extract_embeddings(embedder, files, options.extract);

  EmbedResult result;
  result.left_out = list.left_out;
  result.corrupt = embeddings.corrupt;
  result.seconds = embeddings.seconds;
  result.width = static_cast<std::int64_t>(embeddings.row(0).size());
  result.magnitude_min = std::numeric_limits<double>::infinity();
  std::vector<float> rows;
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < embeddings.count; ++i) {
    const std::size_t place = static_cast<std::size_t>(i);
    if (!embeddings.valid[place]) continue;
    const std::span<const float> row = embeddings.row(i);
    rows.insert(rows.end(), row.begin(), row.end());
    names.push_back(relative[place]);
    const double magnitude = embeddings.magnitudes[place];
    result.magnitude_min = std::min(result.magnitude_min, magnitude);
    result.magnitude_max = std::max(result.magnitude_max, magnitude);
    result.magnitude_mean += magnitude;
  }
  result.pictures = static_cast<std::int64_t>(names.size());
  result.magnitude_mean /= static_cast<double>(names.size());
  const std::array<std::int64_t, 2> shape{result.pictures, result.width};
  FileGroup group;
  group.add(options.out / "magnitudes.csv").write(magnitudes_csv(relative, embeddings));
  write_npy(group.add(options.out / "filenames.npy"), names);
  write_npy(group.add(options.out / "embeddings.npy"), std::span<const float>(rows), shape);
  group.commit();
  return result;
}

}  // namespace qcface::eval
