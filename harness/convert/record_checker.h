// RecordIO for `qcface data verify` (data-formats.md section 2): the framing of the whole file, the index against it, and that
// every picture decodes.
#pragma once

#include <filesystem>
#include <memory>

#include "harness/convert/verify.h"

namespace qcface::convert {

/// Of a .rec, or a folder with train.rec. Behind a break of the framing goes on with the records that the index names.
std::unique_ptr<Checker> make_record_checker(const std::filesystem::path& place);

}  // namespace qcface::convert
