// Where the high-quality sets lie: the published layout (data-formats.md section 6), packs, and the official lists.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "harness/eval/protocols/verify_set.h"

namespace qcface::eval {

struct HqSource {
  std::filesystem::path root;        // of the pictures
  std::filesystem::path pairs_root;  // empty: root/pairlists where it is there, else root
  std::string wanted;                // "lfw,cfp_fp"; empty: all that are found
  const data::PictureNames* names = nullptr;
  bool allow_missing = false;
};

/// Every set DB of agedb_30, cfp_fp, lfw, calfw, cplfw, xqlfw, cfp_ff (aliases: agedb, cfp), or of any other name that is asked
/// for. Pictures: root/DB, or the pack root/DB.bin; of xqlfw and cfp_ff root/lfw and root/cfp_fp or root/cfp where they have
/// no folder of their own. Its list, the first that is there in pairs_root or root/DB: DB_pairs.list, DB_pairs.txt, pairs.txt
/// (in root/DB alone), pairs_CPLFW.txt and its like, for CFP Split/FF and Split/FP of the protocol's folder (cfp_protocol,
/// Protocol, cfp/Protocol).
/// Throws Error: a set that is asked for and not there (naming what was looked for), none found; UsageError for a name twice.
std::vector<VerifySet> open_hq_sets(const HqSource& source);

/// The packs of a folder by name, or a single one.
std::vector<VerifySet> open_packs(const std::filesystem::path& place, const std::string& wanted);

/// Pictures below a folder with an identity each: the number between the first two dots of the file's name, as in Adience
/// (landmark_aligned_face.2282.11597935265_29bcdfa4a5_o.jpg). Throws Error naming a file that has none.
struct LabelledPictures {
  std::vector<std::string> files;
  std::vector<std::int64_t> labels;
};
LabelledPictures adience_pictures(const std::filesystem::path& folder);

}  // namespace qcface::eval
