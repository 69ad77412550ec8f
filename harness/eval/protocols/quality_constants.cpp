#include "harness/eval/protocols/quality_constants.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json.h"
#include "core/text.h"
#include "harness/console/usage.h"
#include "harness/eval/result.h"

namespace qcface::eval {
namespace {

using From = QualityConstants::From;

const Choices<From> kChoices{{"off", From::kOff},
                             {"given", From::kGiven},
                             {"preset", From::kPreset},
                             {"file", From::kFile},
                             {"fit", From::kFit}};

QmfConstants read_constants(const std::string& file) {
  const std::optional<nlohmann::json> result = try_parse_json(read_file(file));
  require(result && result->is_object(),
          "--qmf-from {}: this is no JSON object; name a result file that holds constants", file);
  const nlohmann::json& kept = object_at(*result, "qmf_constants");
  const double alpha = number_at(kept, "alpha"), beta = number_at(kept, "beta");
  require(
      std::isfinite(alpha) && std::isfinite(beta),
      "--qmf-from {}: no qmf_constants with alpha and beta in it; name the result of a run with --qmf fit",
      file);
  return {alpha, beta, fmt::format("{}, from {}", text_at(kept, "source", "given"), file)};
}

// The preset of that name, or of its part in front of the slash (adaface has one for all backbones).
std::string known_preset(const std::string& name) {
  for (const QmfPreset& preset : qmf_presets()) {
    if (preset.name == name || preset.name == name.substr(0, name.find('/'))) return std::string(preset.name);
  }
  return {};
}

}  // namespace

void QualityConstants::add_options(OptionTable& table, bool fit) {
  Choices<From> choices = kChoices;
  if (!fit) choices.pop_back();
  table.add_choice("--qmf", from_, choices, "Constants of the quality-aware score");
  table.add_number("--alpha", alpha_, -1e6, 1e6, "Constant alpha, with --qmf given");
  table.add_number("--beta", beta_, -1e6, 1e6, "Constant beta, with --qmf given");
  table.add("--preset", preset_, "Published constants by name, with --qmf preset");
  table.add("--qmf-from", file_, "Result file (verify.json) whose constants are taken, with --qmf file");
}

void QualityConstants::settle(const OptionTable& table, const std::string& named) {
  if (!table.chosen("qmf")) {
    // One of these says enough.
    if (table.chosen("qmf-from")) {
      from_ = From::kFile;
    } else if (table.chosen("alpha") && table.chosen("beta")) {
      from_ = From::kGiven;
    } else if (const std::string known = known_preset(named);
               !known.empty() && !table.chosen("alpha") && !table.chosen("beta") && !table.chosen("preset")) {
      from_ = From::kPreset;
      preset_ = known;
    }
  }
  if (from_ == From::kGiven) {
    require_usage(table.chosen("alpha") && table.chosen("beta"), "--qmf given needs --alpha and --beta");
  } else if (from_ == From::kPreset) {
    require_usage(!preset_.empty(), "--qmf preset needs --preset, for example qcface/ir50");
  } else if (from_ == From::kFile) {
    require_usage(!file_.empty(),
                  "--qmf file needs --qmf-from: a result file with constants, such as verify.json");
  }
  const auto contradicts = [&](const char* key, From needed) {
    require_usage(from_ == needed || !table.given(key),
                  "--{} and --qmf {} contradict each other: choose --qmf {}", key,
                  qcface::name_of(kChoices, from_), qcface::name_of(kChoices, needed));
  };
  contradicts("alpha", From::kGiven);
  contradicts("beta", From::kGiven);
  contradicts("preset", From::kPreset);
  contradicts("qmf-from", From::kFile);
}

std::optional<QmfConstants> QualityConstants::fixed() const {
  switch (from_) {
    case From::kGiven:
      require(std::isfinite(alpha_) && std::isfinite(beta_),
              "quality-aware score: alpha {} and beta {} must be finite", alpha_, beta_);
      return QmfConstants{alpha_, beta_, "given"};
    case From::kPreset:
      return qmf_preset(preset_);
    case From::kFile:
      return read_constants(file_);
    case From::kOff:
    case From::kFit:
      break;
  }
  return std::nullopt;
}

nlohmann::json constants_json(const QmfConstants& constants) {
  return {{"alpha", constants.alpha}, {"beta", constants.beta}, {"source", to_json_text(constants.source)}};
}

void note_constants(const nlohmann::json& result, Presentation& shown) {
  const nlohmann::json& constants = object_at(result, "qmf_constants");
  if (constants.empty()) return;
  shown.note(fmt::format("quality-aware score: alpha {:.9g}, beta {:.9g} ({})", number_at(constants, "alpha"),
                         number_at(constants, "beta"), text_at(constants, "source")),
             Where::kBoth, Note::Kind::kSmall);
  if (object_at(constants, "fit").value("constant_threshold", false)) {
    shown.note("all fit thresholds are equal, so beta has no slope to be taken from; give more pairs",
               Where::kBoth, Note::Kind::kWarning);
  }
}

}  // namespace qcface::eval
