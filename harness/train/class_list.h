// What the labels of a run mean: the identities' names in the order of their labels. Checkpoints keep a hash of them (ten
// million names are too many for metadata), the run folder the names: <run>/classes.txt, a name a line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "harness/data/sets/class_names.h"
#include "harness/data/sets/picture_source.h"

namespace qcface::train {

/// 64-bit FNV-1a of the names in order, as 16 hexadecimal digits. Names are bytes.
std::string class_list_hash(const data::ClassNames& names);
/// The same of the pictures: name_in_set() of each in their order, so that a set may move to another disk, and the
/// sizes of up to 1000 files spread over it, so that pictures made anew under their old names are seen.
std::string picture_list_hash(const data::PictureSource& set);

/// Writes <run>/classes.txt atomically. A line break inside a name is written \n, a back slash \\.
void write_class_list(const std::filesystem::path& run, const data::ClassNames& names);
/// Reads it back; empty when it is missing or is not the list with this hash.
std::optional<data::ClassNames> read_class_list(const std::filesystem::path& run, const std::string& hash);

/// What changed, for a message: "class 0 was anna, is bert; removed: anna; new: zoe".
std::string describe_class_change(const data::ClassNames& before, const data::ClassNames& now);

/// Names that several labels have (several roots hold a folder of that name): how many, and the first of them in the order of bytes.
struct SharedNames {
  std::int64_t count = 0;
  std::string example;
};
/// Among the labels of these ranges.
struct LabelRange {
  std::int64_t first = 0, end = 0;
};
SharedNames shared_names(const data::ClassNames& names, std::span<const LabelRange> labels);

}  // namespace qcface::train
