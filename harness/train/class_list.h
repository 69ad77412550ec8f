// What the labels of a run mean: the identities' names in the order of their labels. Checkpoints keep a hash of them (ten
// million names are too many for metadata), the run folder the names: <run>/classes.txt, a name a line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/data/sets/picture_source.h"

namespace qcface::train {

/// 64-bit FNV-1a of the names in order, as 16 hexadecimal digits. Names are bytes.
std::string class_list_hash(std::span<const std::string> names);
/// The same of the pictures: name_in_set() of each in their order, so that a set may move to another disk, and the
/// sizes of up to 1000 files spread over it, so that pictures made anew under their old names are seen.
std::string picture_list_hash(const data::PictureSource& set);

/// Writes <run>/classes.txt atomically. A line break inside a name is written \n, a back slash \\.
void write_class_list(const std::filesystem::path& run, std::span<const std::string> names);
/// Reads it back; empty when it is missing or is not the list with this hash.
std::optional<std::vector<std::string>> read_class_list(const std::filesystem::path& run,
                                                        const std::string& hash);

/// What changed, for a message: "class 0 was anna, is bert; removed: anna; new: zoe".
std::string describe_class_change(std::span<const std::string> before, std::span<const std::string> now);

/// Names that several labels have (several roots hold a folder of that name): how many, and the first of them.
struct SharedNames {
  std::int64_t count = 0;
  std::string example;
};
SharedNames shared_names(std::span<const std::string> names);

}  // namespace qcface::train
