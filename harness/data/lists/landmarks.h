// Lists of landmarks: where eyes, nose and mouth are in each picture of a set (data-formats.md section 13).
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "harness/data/align/similarity.h"

namespace qcface::data {

struct Landmarks {
  std::string name;      // as the list has it
  std::size_t line = 0;  // 1-based
  FivePoints points;
};

/// Reads a list of rows `name x1 y1 ... x5 y5`, in pixels of the picture. A further number (the score of IJB's
/// name_5pts_score files) is passed over; of 68 points the five are made: means of 37 and 40 and of 43 and 46, then 31, 49
/// and 55 (1-based). Fields stand between tabs, commas, semicolons or blanks; names that hold the separator need double
/// quotes. Up to two headings are passed over: rows without a number behind their first field (CelebA's begin with a count
/// of rows and names of columns).
/// Throws Error naming file and line: another number of fields, a field that is no number of at most a million, a name that
/// occurs twice; and for a list without rows.
std::vector<Landmarks> read_landmarks(const std::filesystem::path& list);

}  // namespace qcface::data
