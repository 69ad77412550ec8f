#include "harness/eval/protocols/ijb.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <utility>

#include "core/error.h"
#include "harness/console/interrupt.h"
#include "harness/eval/measures/scores.h"

namespace qcface::eval {
namespace {

constexpr std::size_t kPublishedBlock = 100'000;  // pairs
constexpr double kPublishedSentinel = -2;

nn::ScoreRule rule_of(const IjbMethod& method) {
  if (method.similarity == IjbSimilarity::kEuclid) return {nn::ScoreRule::kEuclid};
  if (method.similarity == IjbSimilarity::kQmf)
    return {nn::ScoreRule::kQmf, method.constants->alpha, method.constants->beta};
  return {};
}

nn::RowsView view_of(std::span<const double> rows, std::int64_t width) {
  nn::RowsView view;
  view.count = width > 0 ? static_cast<std::int64_t>(rows.size()) / width : 0;
  view.width = width;
  view.f64 = rows.data();
  return view;
}

void append_rows(const nn::RowsView& templates, const data::IjbSubjects& subjects,
                 std::vector<double>& rows) {
  for (const std::int32_t place : subjects.templates) {
    const double* const row = templates.f64 + place * templates.width;
    rows.insert(rows.end(), row, row + templates.width);
  }
}

}  // namespace

std::string_view name_of(IjbSimilarity similarity) {
  static constexpr std::string_view kNames[] = {"cosine", "qmf", "euclid", "insightface", "magface"};
  return kNames[static_cast<std::size_t>(similarity)];
}

IjbMethod ijb_method(IjbSimilarity similarity, const IjbChoice& choice) {
  IjbMethod method;
  method.similarity = similarity;
  method.published = choice.published;
  const Pooling mean{Reduce::kMean, Reduce::kMean}, quality{Reduce::kQuality, Reduce::kQuality};
  switch (similarity) {
    case IjbSimilarity::kCosine:
      method.verification = choice.published ? Pooling{Reduce::kMean, Reduce::kSum} : mean;
      method.identification = mean;
      break;
    case IjbSimilarity::kQmf:
      require(choice.constants.has_value(),
              "--similarity_method qmf needs the constants of the quality-aware score: --qmf preset --preset "
              "NAME, --qmf "
              "given, or --qmf-from FILE");
      method.constants = choice.constants;
      method.verification = choice.published ? Pooling{Reduce::kQuality, Reduce::kSum} : quality;
      method.identification = quality;
      break;
    case IjbSimilarity::kEuclid:
      method.verification = choice.published ? Pooling{Reduce::kQuality, Reduce::kSum} : mean;
      method.identification = quality;
      break;
    case IjbSimilarity::kInsightface:
      method.detector = choice.detector;
      method.verification = method.identification = {Reduce::kMean, Reduce::kUnitMean};
      break;
    case IjbSimilarity::kMagface:
      method.verification = method.identification = {Reduce::kUnitMean, Reduce::kMean};
      break;
  }
  for (Pooling* pooling : {&method.verification, &method.identification}) {
    pooling->media = choice.media.value_or(pooling->media);
    pooling->templates = choice.templates.value_or(pooling->templates);
  }
  return method;
}

IjbSet::IjbSet(data::IjbLists lists, const data::IjbParts& parts)
    : lists_(std::move(lists)), parts_(parts), groups_(group_templates(lists_.template_of, lists_.media_of)) {
  if (!parts.identification) return;
  const auto& [first, second] = lists_.gallery;
  std::vector<std::int64_t> subjects = first.subjects;
  subjects.insert(subjects.end(), second.subjects.begin(), second.subjects.end());
  mates_ = find_mates(
      lists_.probes.subjects, subjects, MateRule::kExactlyOne,
      [this](std::int64_t row) { return row_name(lists_.probes, static_cast<std::size_t>(row)); },
      [this](std::int64_t row) {
        const std::size_t i = static_cast<std::size_t>(row), size = lists_.gallery[0].size();
        return i < size ? row_name(lists_.gallery[0], i) : row_name(lists_.gallery[1], i - size);
      });
}

std::string IjbSet::row_name(const data::IjbSubjects& subjects, std::size_t row) const {
  return fmt::format("{} line {}: template {}, subject {}", subjects.file.string(), subjects.lines[row],
                     lists_.templates[static_cast<std::size_t>(subjects.templates[row])],
                     subjects.subjects[row]);
}

std::vector<double> IjbSet::pool(const nn::RowsView& pictures, std::span<const std::uint8_t> valid,
                                 const Pooling& pooling, bool detector) const {
  const std::span<const float> weights =
      detector ? std::span<const float>(lists_.detector) : std::span<const float>();
  PooledTemplates pooled = pool_templates(pictures, groups_, pooling, weights, valid);
  if (!pooled.unreadable.empty()) {
    const std::size_t first = pooled.unreadable.front();
    fail(
        "{}: template {}: none of its {} pictures can be read ({} such templates); it has no vector to score "
        "with",
        lists_.place.root.string(), groups_.ids[first], groups_.pictures_of(first).size(),
        pooled.unreadable.size());
  }
  return std::move(pooled.rows);
}

IjbVerification IjbSet::verify(const nn::RowsView& templates, const IjbMethod& method, nn::Scorer& scorer,
                               const std::function<void(std::string_view what)>& say) const {
  say("scoring pairs");
  IjbVerification found;
  found.scores.resize(lists_.pairs.size());
  scorer.pair_scores(templates, lists_.pairs, rule_of(method), found.scores);
  stop_if_interrupted();
  if (method.similarity == IjbSimilarity::kEuclid) {
    const std::size_t block =
        method.published ? kPublishedBlock : std::max<std::size_t>(found.scores.size(), 1);
    for (std::size_t from = 0; from < found.scores.size(); from += block)
      scale_euclid(std::span(found.scores).subspan(from, std::min(block, found.scores.size() - from)));
  } else if (method.similarity == IjbSimilarity::kMagface) {
    for (double& score : found.scores) score = 1 - std::acos(std::clamp(score, -1.0, 1.0)) / std::numbers::pi;
  }
  say("sorting scores");
  found.table = roc_table(found.scores, lists_.same, &scorer);
  stop_if_interrupted();
  found.auc = auc(found.table.roc);
  found.summary = summarize(found.table.roc);
  return found;
}

IjbIdentification IjbSet::identify(const nn::RowsView& templates, const IjbMethod& method, nn::Scorer& scorer,
                                   const std::function<void(std::int64_t, std::int64_t)>& progress) const {
  std::vector<double> gallery, probes;
  for (const data::IjbSubjects& subjects : lists_.gallery) append_rows(templates, subjects, gallery);
  append_rows(templates, lists_.probes, probes);
  const auto count = static_cast<std::int64_t>(lists_.probes.size());
  const auto first = static_cast<std::int64_t>(lists_.gallery[0].size()),
             both = first + static_cast<std::int64_t>(lists_.gallery[1].size());
  nn::IdentifyRequest request;
  request.probes = view_of(probes, templates.width);
  request.gallery = view_of(gallery, templates.width);
  request.rule = rule_of(method);
  request.mate_begin = mates_.begin;
  request.mates = mates_.rows;
  request.mate_ranks = true;
  request.top = 1;
  for (const double far : kIjbFars)
    request.impostors = std::max(request.impostors, pairwise_rank(count, far));
  request.parts = {{0, first}, {first, both}};
  request.progress = [&](std::int64_t done, std::int64_t total) {
    stop_if_interrupted();
    if (progress) progress(done, total);
  };
  nn::IdentifyFound found = scorer.identify(request);
  if (method.similarity == IjbSimilarity::kEuclid) scale_euclid(found);
  IjbIdentification result;
  result.top = hit_rates(found, mates_, kIjbRanks);
  result.galleries =
      open_set(found, mates_, request.parts, kIjbFars, OpenSetRule::kStrict,
               [this](std::int64_t row) { return row_name(lists_.probes, static_cast<std::size_t>(row)); });
  result.tpir = mean_tpir(result.galleries);
  if (method.published) {  // descending
    while (!found.impostor_scores.empty() && found.impostor_scores.back() <= kPublishedSentinel)
      found.impostor_scores.pop_back();
  }
  result.recall = recall_pairwise(found, count, kIjbFars);
  return result;
}

IjbFound IjbSet::measure(
    const nn::RowsView& pictures, std::span<const std::uint8_t> valid, const IjbMethod& method,
    nn::Scorer& scorer,
    const std::function<void(std::string_view what, std::int64_t done, std::int64_t total)>& step) const {
  const auto say = [&](std::string_view what, std::int64_t done, std::int64_t total) {
    if (step) step(what, done, total);
  };
  IjbFound found;
  found.method = method;
  std::vector<double> rows;
  if (parts_.pairs) {
    say("pooling templates", 0, 0);
    rows = pool(pictures, valid, method.verification, method.detector);
    found.verification = verify(view_of(rows, pictures.width), method, scorer,
                                [&](std::string_view what) { say(what, 0, 0); });
  }
  if (parts_.identification) {
    if (rows.empty() || method.identification != method.verification) {
      say("pooling templates", 0, 0);
      rows = pool(pictures, valid, method.identification, method.detector);
    }
    say("identifying probes", 0, static_cast<std::int64_t>(lists_.probes.size()));
    found.identification =
        identify(view_of(rows, pictures.width), method, scorer,
                 [&](std::int64_t done, std::int64_t total) { say("identifying probes", done, total); });
  }
  return found;
}

}  // namespace qcface::eval
