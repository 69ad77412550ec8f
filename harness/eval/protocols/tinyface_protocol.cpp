// `tinyface`: every probe searched in the matched gallery and its distractors (protocols.md section 10).
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "core/log.h"
#include "core/text.h"
#include "harness/console/usage.h"
#include "harness/data/lists/tinyface_lists.h"
#include "harness/eval/measures/scores.h"
#include "harness/eval/protocol.h"
#include "harness/eval/protocols/search.h"

namespace qcface::eval {
namespace {

using nlohmann::json;
using Kind = Note::Kind;

// As the published script has them: unit(f + g), of length 1, so that quality says nothing.
void take_published_rows(Embeddings& embeddings) {
  const std::size_t width = static_cast<std::size_t>(embeddings.width);
  std::vector<float> rows(static_cast<std::size_t>(embeddings.count) * width);
  for (std::int64_t i = 0; i < embeddings.count; ++i) {
    const std::span<float> row(rows.data() + static_cast<std::size_t>(i) * width, width);
    if (embeddings.mirrored.empty()) {
      std::copy_n(embeddings.plain_row(i).begin(), width, row.begin());
    } else {
      fuse(FlipFusion::kVectorAdd, embeddings.plain_row(i), embeddings.mirrored_row(i), row);
    }
    const double length = magnitude(row);
    for (float& value : row)
      value = static_cast<float>(static_cast<double>(value) / (length > 0 ? length : 1));
  }
  embeddings.fused = std::move(rows);
  embeddings.fused_columns = embeddings.width;
}

class TinyFaceMeasurement final : public Measurement {
 public:
  void add_options(OptionTable& table) override {
    table.add("--aligned-dir", aligned_, "Folder of the aligned pictures, in DATA or beside it");
    scores_.add_options(table);
    table.add_flag("--published", published_,
                   "Vectors as the published script makes them: unit(f+g), all of length 1");
  }
  void settle(const OptionTable& table) override { scores_.settle(table, preset); }

  void read() override {
    chosen_ = scores_.scores();
    lists_ = data::read_tinyface_lists(folder, aligned_, names);
    for (const std::string& warning : lists_.warnings) log::warn("{}", warning);
  }

  Result run(FeatureSource& features) override {
    features.add_data(lists_.subject.data(), lists_.subject.size() * sizeof lists_.subject[0]);
    Embeddings embeddings = features.of(lists_.files);
    if (published_) take_published_rows(embeddings);
    const ReadableRows rows = take_readable(std::move(embeddings));
    const std::int64_t probes = rows.rows_before(lists_.probes);
    const std::int64_t all = static_cast<std::int64_t>(rows.picture.size());
    std::vector<std::int64_t> subject;
    for (const std::int64_t picture : rows.picture)
      subject.push_back(lists_.subject[static_cast<std::size_t>(picture)]);
    const std::span<const std::int64_t> subjects(subject);
    const auto name = [&](std::int64_t row) {
      return lists_.files[static_cast<std::size_t>(rows.picture[static_cast<std::size_t>(row)])];
    };
    Search what;
    what.probes = rows.rows(0, probes);
    what.gallery = rows.rows(probes, all);
    what.probe_name = name;
    what.mates = find_mates(subjects.first(static_cast<std::size_t>(probes)),
                            subjects.subspan(static_cast<std::size_t>(probes)), MateRule::kAny, name,
                            [&](std::int64_t row) { return name(probes + row); });
    what.ranks = {1, 5, 10, 20};
    what.average_precision = true;

    Result result;
    result.json = description(embeddings, what, rows, features.options().flip);
    json& scores = result.json["scores"] = json::array();
    for (const SearchScores::Score& score : chosen_)
      scores.push_back(search(*scorer, what, score, result.sheets));
    result.json["conditions"] = conditions_json(features, "pictures", folder);
    result.sheets["tinyface.csv"] = search_csv(scores);
    add_search_figures(scores, result);
    result.headline += fmt::format(" ({} probes, {} in the gallery)", what.probes.count, what.gallery.count);
    return result;
  }

 private:
  json description(const Embeddings& embeddings, const Search& what, const ReadableRows& rows,
                   FlipFusion flip) const {
    json whole{
        {"format", "qcface-tinyface/1"},
        {"units", "fractions, 0..1"},
        {"probes",
         {{"listed", lists_.probes}, {"readable", what.probes.count}, {"mated", what.mates.mated_probes()}}},
        {"gallery",
         {{"matched", lists_.matched},
          {"distractors", lists_.distractors},
          {"readable", what.gallery.count}}},
        {"identities", lists_.identities},
        {"subjects_from", lists_.from_mat ? "MAT-files" : "names"},
        {"unreadable", lists_.files.size() - rows.picture.size()},
        {"published", published_},
        {"flip", name_of(flip)},
        {"embed_seconds", embeddings.seconds},
        {"corrupt", corrupt_json(embeddings.corrupt)},
        {"warnings", warnings_json(lists_.warnings)}};
    if (const auto& constants = scores_.constants()) {
      whole["qmf_constants"] = constants_json(*constants);
    }
    return whole;
  }

  std::string aligned_ = "aligned_pad_0.1_pad_high";
  SearchScores scores_;
  bool published_ = false;
  std::vector<SearchScores::Score> chosen_;
  data::TinyFaceLists lists_;
};

Presentation present_tinyface(const Result& result) {
  const json &whole = result.json, &probes = object_at(whole, "probes"),
             &gallery = object_at(whole, "gallery");
  Presentation shown;
  shown.note(fmt::format(
      "TinyFace: {:.0f} probes, gallery of {:.0f} with {:.0f} distractors, {:.0f} identities by {}; flip "
      "fusion {}{}",
      number_at(probes, "listed"), number_at(gallery, "matched"), number_at(gallery, "distractors"),
      number_at(whole, "identities"), text_at(whole, "subjects_from", "names"),
      text_at(whole, "flip", "unknown"),
      whole.value("published", json(false)) == true ? "; vectors as the published script makes them" : ""));
  if (const double unreadable = number_at(whole, "unreadable"); unreadable > 0) {
    shown.note(
        fmt::format(
            "{:.0f} pictures could not be read: {:.0f} probes and {:.0f} rows of the gallery are left out",
            unreadable, number_at(probes, "listed") - number_at(probes, "readable"),
            number_at(gallery, "matched") + number_at(gallery, "distractors") -
                number_at(gallery, "readable")),
        Where::kBoth, Kind::kWarning);
  }
  if (const double mated = number_at(probes, "mated"); mated < number_at(probes, "readable")) {
    shown.note(fmt::format("{:.0f} probes have no mate in the gallery and are left out of the rates",
                           number_at(probes, "readable") - mated),
               Where::kBoth, Kind::kWarning);
  }
  note_warnings(whole, shown);
  present_search(result, list_at(whole, "scores"), "TinyFace", shown);
  return shown;
}

}  // namespace

extern const Protocol kTinyFace;
const Protocol kTinyFace{
    "tinyface",
    "TinyFace: probes searched in the gallery with its distractors: ranks 1 to 20, mean average precision",
    "Folder that holds tinyface (with Testing_Set) and the aligned pictures, or tinyface itself",
    "tinyface.json, tinyface.csv, cmc.csv, cmc.svg",
    "TinyFace",
    "tinyface",
    nullptr,
    {"cmc.csv"},
    [] { return std::unique_ptr<Measurement>(std::make_unique<TinyFaceMeasurement>()); },
    present_tinyface,
    FlipFusion::kAverage};

}  // namespace qcface::eval
