#include "harness/model/family.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/json.h"
#include "core/text.h"
#include "harness/model/adaface.h"
#include "harness/model/model.h"
#include "harness/model/tensor_file.h"

namespace qcface::model {
namespace {

constexpr std::array<double, 3> kHalf{0.5, 0.5, 0.5};

// In the order of Family. Table of data-formats.md section 5.
const std::array<FamilyFacts, 4> kFacts{{
    {"qcface", "QCFace", 2e-5, {}},
    {"magface", "MagFace", 2e-5, {.mean = {0, 0, 0}, .std = {1, 1, 1}, .bgr = true}},
    {"insightface", "InsightFace", 1e-5, {.mean = kHalf, .std = kHalf}},
    {"adaface", "AdaFace", 1e-5, {.mean = kHalf, .std = kHalf, .bgr = true}},
}};

// How a program names its tensors. The last batch norm is called "features" in all of them, so only what stands before the
// names of iresnet.md is taken off, once: "module.features.features.weight" is "features.weight".
struct Spelling {
  Family family;
  std::string_view backbone;  // before the names of iresnet.md
  std::string_view head;      // before "weight", the class weights; empty: the file has none
};
constexpr std::string_view kInsightfaceHead = "state_dict_softmax_fc.";
constexpr Spelling kSpellings[] = {
    {Family::kQcface, "backbone.", "head."},
    {Family::kQcface, "module.backbone.", "module.head."},
    {Family::kMagface, "module.features.", "module.fc."},
    {Family::kMagface, "features.module.", "module.fc."},
    {Family::kMagface, "features.", "fc."},
    {Family::kInsightface, "module.", kInsightfaceHead},
    {Family::kInsightface, "", kInsightfaceHead},
};
// Tensors that no other residual network has; several, so that a file which lacks one is still known.
constexpr const char* kTelling[] = {"prelu.weight", "features.weight", "features.running_mean",
                                    "layer1.0.prelu.weight"};

constexpr std::string_view kOlderSlot = "momentum.";
// What never is a backbone's, where its names have nothing in front.
constexpr std::string_view kOthers[] = {"head.", "slot0.", "state_dict_", "optimizer"};

const Spelling* spelling_of(const TensorSource& file) {
  for (const Spelling& spelling : kSpellings) {
    const bool telling = std::any_of(std::begin(kTelling), std::end(kTelling), [&](const char* name) {
      return file.find(std::string(spelling.backbone) + name) != nullptr;
    });
    if (telling) return &spelling;
  }
  return nullptr;
}

std::string translated(const std::string& name, const Spelling& spelling) {
  const auto starts = [&](std::string_view part) { return !part.empty() && name.starts_with(part); };
  if (starts(kOlderSlot)) return "slot0." + name.substr(kOlderSlot.size());
  if (starts(spelling.head)) return "head." + name.substr(spelling.head.size());
  const bool other = spelling.backbone.empty() && std::any_of(std::begin(kOthers), std::end(kOthers), starts);
  if (other || !name.starts_with(spelling.backbone)) return name;
  return "backbone." + name.substr(spelling.backbone.size());
}

// What this program wrote into a file's metadata, of a run or of an export; nothing: it did not.
struct OwnWords {
  data::Preparation preparation;
  double bn_eps = facts_of(Family::kQcface).bn_eps;  // versions before the option knew no other
  std::string family;                                // of an export
};
std::optional<OwnWords> own_words(const TensorSource& file) {
  auto found = file.metadata().find("config");
  const bool exported = found == file.metadata().end();
  if (exported) found = file.metadata().find(kExportKey);
  if (found == file.metadata().end()) return std::nullopt;
  try {
    const nlohmann::json config = parse_json(found->second);
    OwnWords words;
    words.preparation = data::preparation_from_json(config);
    words.bn_eps = config.value("bn-eps", words.bn_eps);
    if (exported) words.family = config.value("family", words.family);
    require(words.bn_eps > 0 && words.bn_eps < 1, "bn-eps");
    return words;
  } catch (const std::exception&) {
    fail(
        "{}: the configuration in its metadata is damaged: expected a JSON object whose mean and std are "
        "three numbers, swap-rb and bgr true or false, non-square centre-crop or reject, bn-eps a number "
        "from 0 "
        "to 1; take another checkpoint",
        file.path());
  }
}

// Where the weights of an export came from.
std::string once(const std::string& family) {
  for (const FamilyFacts& facts : kFacts) {
    if (family == facts.name) return fmt::format(", from {}", facts.title);
  }
  return "";
}

// The whole of a view: the file, and tensors that are in no file.
struct Kept {
  TensorSource file;
  MadeTensors made;
};

void list_names(std::string& text, const char* what, const std::vector<std::string>& names,
                std::size_t most) {
  if (names.empty()) return;
  text += fmt::format("{} {}:\n", names.size(), what);
  for (std::size_t i = 0; i < std::min(names.size(), most); ++i)
    text += "  " + printable(names[i], 200) + "\n";
  if (names.size() > most) text += fmt::format("  and {} more (--all shows them)\n", names.size() - most);
}

}  // namespace

const FamilyFacts& facts_of(Family family) { return kFacts[static_cast<std::size_t>(family)]; }

std::string describe(const data::Preparation& p) {
  return fmt::format("{} pixels, mean ({}), std ({})", p.bgr ? "BGR" : "RGB", fmt::join(p.mean, ", "),
                     fmt::join(p.std, ", "));
}

std::string ModelFile::describe() const {
  return fmt::format("{}: batch-norm eps {}, {}",
                     origin.empty() ? "names of no program that is known" : origin, bn_eps,
                     model::describe(preparation));
}

ModelFile open_model(TensorSource file, std::optional<Family> wanted, std::optional<double> bn_eps) {
  const std::optional<OwnWords> own = own_words(file);
  const Spelling* const spelling = spelling_of(file);
  const std::optional<std::string> adaface = spelling == nullptr ? adaface_prefix(file) : std::nullopt;
  const Family found = adaface ? Family::kAdaface : spelling != nullptr ? spelling->family : Family::kQcface;
  const FamilyFacts& facts = facts_of(wanted.value_or(own ? Family::kQcface : found));

  ModelFile model{std::move(file), wanted.value_or(own ? Family::kQcface : found), "", facts.bn_eps,
                  facts.preparation};
  if (own) {
    model.preparation.swap_rb = own->preparation.swap_rb;
    model.preparation.non_square = own->preparation.non_square;
    if (!wanted) {
      model.preparation = own->preparation;
      model.bn_eps = own->bn_eps;
    }
  }
  if (spelling != nullptr || adaface) {
    const std::string prefix = adaface ? *adaface : std::string(spelling->backbone);
    const std::string names = adaface ? prefix + "body.*" : prefix.empty() ? "of an iresnet" : prefix + "*";
    model.origin = wanted ? fmt::format("{} by --family (names {})", facts.title, printable(names, 100))
                   : own
                       ? fmt::format("of this program{} (names {})", once(own->family), printable(names, 100))
                       : fmt::format("{} (names {})", facts.title, printable(names, 100));
  }
  const auto kept = std::make_shared<Kept>(Kept{std::move(model.tensors), {}});
  TranslatedTensors ours;
  if (adaface) {
    ours = translate_adaface(kept->file, *adaface, static_cast<float>(bn_eps.value_or(model.bn_eps)),
                             kept->made);
  } else {
    const auto our_name = [&](const std::string& name) {
      return spelling == nullptr ? name : translated(name, *spelling);
    };
    ours.tensors = kept->file.tensors();
    for (TensorView& tensor : ours.tensors) tensor.name = our_name(tensor.name);
    for (const auto& [name, why] : kept->file.refused()) ours.refused.emplace(our_name(name), why);
  }
  model.classes_are_rows = !adaface && spelling != nullptr && spelling->head == kInsightfaceHead &&
                           kept->file.find(std::string(kInsightfaceHead) + "weight") != nullptr;
  model.tensors = TensorSource(kept->file.path(), std::move(ours.tensors), kept->file.metadata(), kept,
                               std::move(ours.refused));
  return model;
}

ModelFile open_model(const std::filesystem::path& path, std::optional<Family> wanted,
                     std::optional<double> bn_eps) {
  return open_model(open_tensors(path), wanted, bn_eps);
}

std::string describe_family(const TensorSource& file, std::size_t most) {
  std::string text;
  try {
    const ModelFile model = open_model(file);
    text = fmt::format("family:   {}\n", model.known() ? model.describe() : "none that is known");
    const auto [backbone, embed_dim] = backbone_of(model.tensors);
    text += fmt::format("backbone: {}, embedding width {}\n", backbone.name, embed_dim);
    const nn::Graph graph = backbone.build({.embed_dim = embed_dim});
    const BackboneNames names = compare_names(model.tensors, graph.tensors());
    list_names(text, "tensors of the backbone are missing", names.missing, most);
    list_names(text, "tensors are not part of it", names.unexpected, most);
  } catch (const Error& error) {
    text += text.empty() ? fmt::format("family:   cannot be used: {}\n", error.what())
                         : "backbone: none that is known\n";
  }
  return text;
}

}  // namespace qcface::model
