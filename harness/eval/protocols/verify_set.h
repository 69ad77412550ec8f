// A pair list with its pictures: what every verification protocol measures.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "harness/console/option_table.h"
#include "harness/data/lists/pairs.h"
#include "harness/data/sets/picture_source.h"
#include "harness/eval/features/features.h"

namespace qcface::eval {

struct VerifySet {
  std::string name;            // "lfw"
  std::filesystem::path list;  // or the pack
  data::PairList pairs;
  std::unique_ptr<data::PictureSource> pictures;  // those of pairs.images
};

/// Says in the log how many pairs were left out. `place`: a folder of the pictures that `list` names (read_pairs()), or a verification pack, which has its own pairs.
VerifySet open_verify_set(const std::filesystem::path& place, const std::filesystem::path& list,
                          const data::PairOptions& options = {});

/// --pairs and --allow-missing of the protocols over one pair list.
class VerifySetChoice {
 public:
  void add_options(OptionTable& table);
  /// Throws UsageError for a list beside a pack, which holds its own pairs.
  void settle(const std::filesystem::path& place) const;
  /// The list that was named, or pairs.list in the folder.
  VerifySet open(const std::filesystem::path& place, const data::PictureNames* names) const;

 private:
  std::string pairs_;
  bool allow_missing_ = false;
};

/// The embeddings of its pictures; the pairs become part of the data's fingerprint.
Embeddings embed_set(FeatureSource& features, const VerifySet& set);

}  // namespace qcface::eval
