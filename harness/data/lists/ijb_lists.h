// The metadata of IJB-B and IJB-C (data-formats.md section 7): ROOT/meta/ijbc_*.txt and .csv beside ROOT/loose_crop.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "harness/data/align/similarity.h"
#include "harness/data/lists/picture_names.h"
#include "nn/scoring/scorer.h"

namespace qcface::data {

/// One of the two sets, and where it lies.
struct IjbPlace {
  std::string dataset;         // "IJBB" or "IJBC"
  std::filesystem::path root;  // holds meta and loose_crop
};
/// `folder` is that root, or holds it under the set's name. `dataset`: which one, or empty: the only one there is. Throws Error
/// naming the folder.
IjbPlace find_ijb(const std::filesystem::path& folder, const std::string& dataset);

/// Templates of a gallery or probe file, by ascending id.
struct IjbSubjects {
  std::filesystem::path file;
  std::vector<std::int32_t> templates;  // places in IjbLists::templates
  std::vector<std::int64_t> subjects;   // on the template's first row
  std::vector<std::size_t> lines;       // of that row
  std::size_t size() const { return templates.size(); }
};

struct IjbLists {
  IjbPlace place;
  // A picture each, in the order of the file of points.
  std::vector<std::string> files;  // below loose_crop
  std::vector<std::size_t> lines;
  std::vector<FivePoints> points;
  std::vector<float> detector;  // score of the face detector
  std::vector<std::int64_t> template_of, media_of;

  std::vector<std::int64_t> templates;  // every template's id, ascending
  std::vector<nn::RowPair> pairs;       // places in it
  std::vector<char> same;
  std::array<IjbSubjects, 2> gallery;
  IjbSubjects probes;
  std::vector<std::string>
      warnings;  // sizes that are not the published ones, subjects that change within a template
};

struct IjbParts {
  bool pairs = true, identification = true;  // false: the files are not read
};
/// Reads the files. Blank lines are passed over. Throws Error naming file and
/// line: a row of another form, rows of the two files of pictures that name different pictures (or one file longer than the
/// other), a template without pictures, a template in both galleries.
IjbLists read_ijb_lists(const IjbPlace& place, const IjbParts& parts = {}, int threads = 0);

/// Throws Error naming the file of points and the line of the first picture that is neither in `names` nor, without them, a file.
void require_ijb_pictures(const IjbLists& lists, const PictureNames* names);

}  // namespace qcface::data
