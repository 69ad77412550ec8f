#include "harness/data/picture_source.h"

#include "harness/data/image_folder.h"
#include "harness/data/pack_set.h"

namespace qcface::data {

std::unique_ptr<PictureSource> open_pictures(std::string_view places, bool merge_by_name) {
  const auto roots = split_roots(places);
  if (roots.size() == 1 && is_pack(roots.front())) return std::make_unique<PackSet>(roots.front());
  return std::make_unique<ImageFolder>(scan_image_folder(roots, merge_by_name));
}

}  // namespace qcface::data
