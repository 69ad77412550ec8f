// IJB-S as far as published code shows its files (data-formats.md section 9): crops of people, and CSV lists that name videos and
// stills. Nobody has run this on the real set here.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "harness/data/lists/picture_names.h"

namespace qcface::data {

struct IjbsTemplate {
  std::string name;                    // "person 12, videos/305.mp4"
  std::int64_t subject = 0;            // number of the person's name
  std::vector<std::int32_t> pictures;  // into files; may be none
};

struct IjbsExperiment {
  std::string name;  // "surveillance_to_single"
  std::vector<IjbsTemplate> probes;
  std::array<std::vector<IjbsTemplate>, 2> galleries;
};

struct IjbsLists {
  std::vector<std::string> files;  // crops that some template has
  std::vector<IjbsExperiment> experiments;
  std::vector<std::string> warnings;
};

/// `root`: crops <person>/videos_<video>_<frame>.jpg and <person>/img_<n>.jpg; cs6_metadata.csv and the other lists in it or in
/// protocol, protocols or csv below it. `image_list`: CSV with a column path, the crops that there are; empty: image_list*.csv
/// in root if there is one such file, else what lies in root, or `names`.
/// Which people a video shows is what cs6_metadata.csv says (first column the person, second the file); a probe is a person in
/// a listed video, of multi_view_surveillance_to_booking a person in all of them; a gallery's row is a person with all files
/// listed for it. Throws Error naming file and line: a missing list, a row of too few fields, a file that the metadata do not
/// have, a row twice, pictures of the image list that are not there.
IjbsLists read_ijbs_lists(const std::filesystem::path& root, const std::filesystem::path& image_list,
                          const PictureNames* names);

}  // namespace qcface::data
