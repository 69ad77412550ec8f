#include "harness/eval/protocols/fit_set.h"

#include <fmt/format.h>

#include <map>

#include "core/error.h"
#include "core/log.h"
#include "harness/data/lists/pairs.h"
#include "harness/data/sets/image_folder.h"
#include "harness/eval/protocols/verify.h"

namespace qcface::eval {
namespace fs = std::filesystem;

FitSet drawn_fit_set(std::span<const std::string> files, std::span<const std::int64_t> labels,
                     const std::string& folder, std::uint64_t seed) {
  DrawnPairs drawn = draw_training_pairs(labels, seed);
  FitSet set;
  set.same = std::move(drawn.same);
  set.source = fmt::format("fitted on {}, seed {}", folder, seed);
  std::vector<int> row(labels.size(), -1);
  const auto row_of = [&](std::int64_t picture) {
    int& place = row[static_cast<std::size_t>(picture)];
    if (place < 0) {
      place = static_cast<int>(set.files.size());
      set.files.push_back(files[static_cast<std::size_t>(picture)]);
    }
    return place;
  };
  for (const auto& [a, b] : drawn.pairs) {
    const int first = row_of(a);
    set.pairs.emplace_back(first, row_of(b));
  }
  return set;
}

FitSet folder_fit_set(const fs::path& folder, std::uint64_t seed, const data::PictureNames* names) {
  std::vector<std::string> files;
  std::vector<std::int64_t> labels;
  if (names == nullptr) {
    const data::ImageFolder set = data::scan_image_folder(folder);
    for (const std::string& warning : set.warnings()) log::warn("{}", warning);
    for (std::int64_t i = 0; i < set.size(); ++i) {
      files.push_back(set.path(i));
      labels.push_back(set.label(i));
    }
  } else {
    std::map<std::string, std::int64_t> people;
    for (std::size_t row = 0; row < names->size(); ++row) {
      const fs::path name((*names)[row]), person = name.parent_path();
      if (person.parent_path().filename() != (folder / "").lexically_normal().parent_path().filename())
        continue;
      files.push_back(name.string());
      labels.push_back(
          people.emplace(person.string(), static_cast<std::int64_t>(people.size())).first->second);
    }
    require(!files.empty(), "{}: no name of {} lies in a folder of a person in it", folder.string(),
            names->what());
  }
  return drawn_fit_set(files, labels, folder.string(), seed);
}

FitSet list_fit_set(const fs::path& list, const fs::path& folder, const data::PictureNames* names) {
  data::PairList pairs = data::read_pairs(list, folder, {names});
  require_both_kinds(pairs, list.string());
  return {std::move(pairs.images), std::move(pairs.pairs), std::move(pairs.same),
          fmt::format("fitted on {}", list.string())};
}

QmfConstants fit_constants(FeatureSource& features, const FitSet& set, QmagSpace space,
                           std::optional<QmagFit>& fit) {
  QmagFitOptions how;
  how.space = space;
  const PairMaterial material = pair_material(features.aside(set.files), set.pairs, set.same);
  fit = fit_qmag(material.cosine, material.quality, material.same, how);
  std::string source = set.source;
  if (space == QmagSpace::kRaw) source += ", raw space";
  source += fmt::format(", {} pairs", material.same.size());
  return QmfConstants{fit->alpha, fit->beta, source};
}

}  // namespace qcface::eval
