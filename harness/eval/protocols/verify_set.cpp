#include "harness/eval/protocols/verify_set.h"

#include <system_error>
#include <utility>

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
  return set;
}

Embeddings embed_set(FeatureSource& features, const VerifySet& set) {
  features.add_data(set.pairs.pairs.data(), set.pairs.pairs.size() * sizeof(set.pairs.pairs[0]));
  features.add_data(set.pairs.same.data(), set.pairs.same.size());
  return features.of(*set.pictures);
}

}  // namespace qcface::eval
