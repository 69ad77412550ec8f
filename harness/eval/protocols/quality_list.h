// Quality values of pictures from outside (`eval quality --quality`).
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "harness/eval/protocols/quality.h"

namespace qcface::eval {

/// Rows `name,value`, also between tabs, semicolons or blanks; a heading is passed over. Names as PictureNames finds them: folders
/// in front and the suffix may differ. Further rows may stand there. The quality is called as the file, without its suffix. Throws
/// Error naming file and line: no two fields, a value that is no finite number; a name twice; and pictures without a value, the
/// first few and how many.
PictureQuality read_quality(const std::filesystem::path& list, std::span<const std::string> pictures);

}  // namespace qcface::eval
