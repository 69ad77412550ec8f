// The pictures below one folder, whatever its layout (`embed`).
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/data/sets/left_out.h"

namespace qcface::data {

/// .jpg .jpeg .jpe .jfif .jif .png .bmp .pgm .ppm .pbm .pnm .webp .tif .tiff; the order in which a name without suffix
/// is tried.
std::span<const std::string_view> picture_suffixes();
/// Whether a name ends in one of them, in any case.
bool has_picture_suffix(std::string_view name);

struct PictureList {
  std::vector<std::string> files;  // full paths, in byte order
  LeftOut left_out;
};
/// All pictures below a folder, recursively, through links too; a link to a folder that it lies in is left out. Throws
/// Error naming the folder when it is missing or holds no picture.
PictureList list_pictures(const std::filesystem::path& folder);

}  // namespace qcface::data
