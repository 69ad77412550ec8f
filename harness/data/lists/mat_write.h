// The other direction of mat_file.h, for sets that are made up.
#pragma once

#include <filesystem>
#include <string>

#include "harness/data/lists/mat_file.h"

namespace qcface::data {

/// A MAT-file of version 5 with `pairs` as read_id_pairs(path, names, ids) reads them: a column of texts, one of numbers. The
/// same pairs give the same bytes. Throws Error naming the file where it cannot be written.
void write_id_pairs(const std::filesystem::path& path, const IdPairs& pairs, const std::string& names,
                    const std::string& ids);

}  // namespace qcface::data
