// TinyFace as it is handed out (data-formats.md section 8): which pictures are probes, gallery and distractors, and whose.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "harness/data/lists/picture_names.h"

namespace qcface::data {

inline constexpr std::int64_t kDistractor = -100;  // subject of a distractor

struct TinyFaceLists {
  std::vector<std::string>
      files;  // aligned pictures: probes, then matched gallery, then distractors; each by name
  std::vector<std::int64_t> subject;  // of each
  std::int64_t probes = 0, matched = 0, distractors = 0, identities = 0;
  bool from_mat = false;  // subjects are those of the MAT-files, not the numbers of the names
  std::vector<std::string> warnings;
};

/// `root` holds tinyface/Testing_Set and the folder `aligned`, or is tinyface itself, beside that folder. Pictures of
/// Testing_Set/{Probe,Gallery_Match,Gallery_Distractor} decide who takes part; their twins of the same stem in
/// <aligned>/{Probe,...} are what is embedded. Where both MAT-files are there, they say which probes and gallery pictures there
/// are and whose. With `names` the pictures need not be there: a set without a folder has those whose names lie in its folder.
/// Throws Error: no such folder, pictures without a twin (the first few and how many), two twins of one stem, a name without a
/// number in front, a MAT-file that names a picture twice.
TinyFaceLists read_tinyface_lists(const std::filesystem::path& root, const std::string& aligned,
                                  const PictureNames* names);

}  // namespace qcface::data
