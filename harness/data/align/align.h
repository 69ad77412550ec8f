// Five-point alignment of a folder of pictures (data-formats.md section 13; `qcface data align`).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace qcface::data {

struct AlignOptions {
  std::filesystem::path data;       // folder of pictures
  std::filesystem::path landmarks;  // a list as read_landmarks() takes it; names as PictureFinder does
  std::filesystem::path out;        // folder to make, or to go on with
  int height = 112;                 // of the crops; width: the same, or with narrow 96 of 112
  bool narrow = false;
  bool png = false;  // false: JPEG
  int quality = 95;  // of JPEG
  int threads = 0;   // 0: all cores

  int width() const { return narrow ? height * 6 / 7 : height; }
};

/// What is said of one picture or row of the list.
struct AlignNote {
  enum Kind { kMissing, kUnreadable, kNoLandmarks, kCentreCrop, kPointsOutside, kKinds };
  Kind kind = kMissing;
  std::string picture;  // relative to the folder, or as the list has it
  std::string detail;
};
/// As align.csv has it: "no such picture", "unreadable", "no landmarks", "centre crop", "points outside".
const char* name_of(AlignNote::Kind kind);

struct AlignResult {
  std::int64_t rows = 0;              // of the list
  std::int64_t made = 0, kept = 0;    // crops; those that were there and whole
  std::int64_t failed = 0;            // pictures that are there and gave none
  std::vector<AlignNote> notes;       // by kind and name
  std::vector<std::string> warnings;  // files of the folder that are no pictures
  std::int64_t count(AlignNote::Kind kind) const;
};

/// Writes <out>/<path below data>.jpg (or .png) for every row of the list whose picture is there: the picture through the
/// similarity that fit_similarity() finds, or, where there is none, its centre (data-formats.md section 11, steps 4 and 5).
/// Beside them align.csv (the notes) and, last, align.json (how the crops were made). A stopped call goes on where it was:
/// align.journal says which crops are whole, of which source (size and times) and points; what has changed since is made
/// anew. progress(done, rows).
/// Throws Error: a list that cannot be read or of which no name leads to a picture, two rows of one picture or of one crop,
/// a row that leads out of the folder, folders inside each other, another call's folder (other options) or one in use, a disk
/// that is full.
AlignResult align_pictures(const AlignOptions& options,
                           const std::function<void(std::int64_t done, std::int64_t rows)>& progress = {});

}  // namespace qcface::data
