// A checkpoint that several ranks wrote in parts, as the one file that one rank would have written.
#pragma once

#include <filesystem>

namespace qcface::model {

/// Writes `out` atomically: the tensors of the folder with class weights and their slots whole, [D, K], and its metadata;
/// without the ranks' own statistics, of which the backbone has the mean. Holds class weights and slot twice in memory for a
/// while. Throws Error naming the folder that is no checkpoint in parts, or whose parts leave a gap.
void merge_parts(const std::filesystem::path& folder, const std::filesystem::path& out);

}  // namespace qcface::model
