#include "harness/data/picture_source.h"

#include "harness/data/image_folder.h"

namespace qcface::data {

std::unique_ptr<PictureSource> open_pictures(std::string_view places, bool merge_by_name) {
  return std::make_unique<ImageFolder>(scan_image_folder(split_roots(places), merge_by_name));
}

}  // namespace qcface::data
