#include "harness/eval/protocols/verify_set.h"

#include <system_error>
#include <utility>

#include "core/log.h"
#include "harness/console/usage.h"
#include "harness/data/sets/image_folder.h"
#include "harness/data/sets/verification_pack.h"

namespace qcface::eval {

VerifySet open_verify_set(const std::filesystem::path& place, const std::filesystem::path& list,
                          const data::PairOptions& options) {
  VerifySet set;
  set.name = place.stem().string();
  std::error_code error;
  if (std::filesystem::is_regular_file(place, error)) {
    auto pack = std::make_unique<data::VerificationPack>(place);
    set.list = place;
    set.pairs = pack->pairs();
    set.pictures = std::move(pack);
  } else {
    set.list = list;
    set.pairs = data::read_pairs(list, place, options);
    set.pictures = std::make_unique<data::ImageFolder>(data::ImageFolder::from_files(set.pairs.images));
  }
  if (set.pairs.left_out > 0) {
    log::warn("{}: {} of {} pairs are left out: a picture of theirs is missing", set.list.string(),
              set.pairs.left_out, set.pairs.left_out + static_cast<std::int64_t>(set.pairs.size()));
  }
  return set;
}

void VerifySetChoice::add_options(OptionTable& table) {
  table.add("--pairs", pairs_,
            "Pair list: lines `a b 1` (same) or `a b 0`; empty: DATA/pairs.list, or the pairs of the pack");
  table.add_flag("--allow-missing", allow_missing_,
                 "Leave pairs out whose pictures are missing, and count them; else that is an error");
}

void VerifySetChoice::settle(const std::filesystem::path& place) const {
  std::error_code error;
  require_usage(
      pairs_.empty() || !std::filesystem::is_regular_file(place, error),
      "--pairs and the verification pack --data {} contradict each other: a pack holds its own pairs",
      place.string());
}

VerifySet VerifySetChoice::open(const std::filesystem::path& place, const data::PictureNames* names) const {
  return open_verify_set(place, pairs_.empty() ? place / "pairs.list" : std::filesystem::path(pairs_),
                         {names, allow_missing_});
}

Embeddings embed_set(FeatureSource& features, const VerifySet& set) {
  features.add_data(set.pairs.pairs.data(), set.pairs.pairs.size() * sizeof(set.pairs.pairs[0]));
  features.add_data(set.pairs.same.data(), set.pairs.same.size());
  return features.of(*set.pictures);
}

}  // namespace qcface::eval
