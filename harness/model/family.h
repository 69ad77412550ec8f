// Checkpoints of the published programs (data-formats.md section 5). They hold nearly the same network under other names,
// and leave out what it takes to use it: how pictures are prepared, and the eps of batch norm. Which program wrote a file is
// told by the names of its tensors. Everything else in this program works on one view of them, under our own names:
//   backbone.<name>                     as iresnet.md, convolutions [out, in, kh, kw]
//   backbone.<bn>.num_batches_tracked   int64, training steps so far
//   head.weight                         class weights, [D, K] or [K, D]
//   head.t [1], head.length_stats [2]   state of the head
//   slot0.<name>                        what the optimiser keeps of a weight, in checkpoints of this program
// Any other tensor keeps its name.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/tensors/source.h"
#include "harness/console/option_table.h"
#include "harness/data/preparation.h"

namespace qcface::model {

/// What `qcface export` writes under this key beside the tensors: JSON, mean, std, ... and bn-eps as a run's configuration has
/// them, and "family".
inline constexpr const char* kExportKey = "qcface";

enum class Family { kQcface, kMagface, kInsightface, kAdaface };

/// What a program's files leave out. swap_rb and non_square of its preparation say nothing: they belong to a data set.
struct FamilyFacts {
  const char* name;   // on the command line: "magface"
  const char* title;  // "MagFace"
  double bn_eps;
  data::Preparation preparation;
};
const FamilyFacts& facts_of(Family family);

/// The values of --family; none ("auto"): told from the file.
inline const Choices<std::optional<Family>> kFamilyChoices{{"auto", std::nullopt},
                                                           {"qcface", Family::kQcface},
                                                           {"magface", Family::kMagface},
                                                           {"insightface", Family::kInsightface},
                                                           {"adaface", Family::kAdaface}};

struct ModelFile {
  TensorSource tensors;  // under our names
  Family family;         // whose eps and preparation are taken
  std::string origin;    // "MagFace (names module.features.*)"; empty: names of no program that is known
  double bn_eps = 0;     // from the metadata where this program wrote it, else the family's
  data::Preparation preparation;  // likewise
  bool classes_are_rows = false;  // head.weight is [K, D], also where K = D
  bool known() const { return !origin.empty(); }
  /// "MagFace (names module.features.*): batch-norm eps 2e-05, BGR pixels, mean (0, 0, 0), std (1, 1, 1)"
  std::string describe() const;
};

/// The tensors of a file under our names. `wanted`: eps and preparation of that family, whatever the names and the metadata
/// say. `bn_eps`: that the network will be built with; AdaFace's shortcuts without weights depend on it. Throws Error naming
/// the file for metadata of this program that is damaged, and for a network of AdaFace's that is no IResNet.
ModelFile open_model(TensorSource file, std::optional<Family> wanted = {}, std::optional<double> bn_eps = {});
ModelFile open_model(const std::filesystem::path& path, std::optional<Family> wanted = {},
                     std::optional<double> bn_eps = {});

/// "RGB pixels, mean (0.5, 0.5, 0.5), std (0.5, 0.5, 0.5)"
std::string describe(const data::Preparation& preparation);

/// For `qcface inspect`: lines that say family, backbone, and which tensors the backbone lacks or does not know, at most
/// `most` of each. Never throws for what a file holds.
std::string describe_family(const TensorSource& file, std::size_t most);

}  // namespace qcface::model
