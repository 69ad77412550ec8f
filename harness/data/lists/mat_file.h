// MAT-files: lists of names with a number each, as TinyFace has them (data-formats.md section 8).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace qcface::data {

struct IdPairs {
  std::vector<std::string> names;  // UTF-8
  std::vector<std::int64_t> ids;   // as many
};

/// Reads a column (or row) of texts and one of whole numbers out of a MAT-file of version 5 (save -v6 or -v7), for example
/// read_id_pairs(file, "gallery_set", "gallery_ids"). `names`: a cell array of rows of characters, stored as u16, UTF-8 or
/// UTF-16; `ids`: an array of any number class, stored as any number type, real.
/// Throws Error naming the file and the byte: version 7.3 (HDF5), big-endian, a variable that is not there (naming those that
/// are) or of another kind, an entry that is empty, no text or longer than 4096 characters, a number that is not whole, unequal counts, more than 262,144
/// rows, more than 32 MiB when unpacked. Memory: at most about 256 MiB.
IdPairs read_id_pairs(const std::filesystem::path& path, std::string_view names, std::string_view ids);

struct MatVariable {
  std::string name;
  std::string kind;  // "cell", "double", ...
  std::vector<std::int32_t> dims;
};
/// Whether the file's content is a MAT-file's; false where it cannot be read.
bool is_mat_file(const std::filesystem::path& path);
/// Throws Error as read_id_pairs().
std::vector<MatVariable> list_mat_variables(const std::filesystem::path& path);

}  // namespace qcface::data
