// Lists of pictures with the subject that each shows: galleries and probes of anyone's identification.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "harness/data/lists/picture_names.h"

namespace qcface::data {

/// Numbers of subjects that are told apart by name, over several lists.
class SubjectNumbers {
 public:
  std::int64_t of(std::string_view name);
  const std::string& name(std::int64_t number) const { return names_[static_cast<std::size_t>(number)]; }
  std::size_t size() const { return names_.size(); }

 private:
  std::unordered_map<std::string, std::int64_t> number_of_;
  std::vector<std::string> names_;
};

struct SubjectList {
  std::vector<std::string> files;
  std::vector<std::int64_t> subjects;  // of each
  std::vector<std::string> names;      // as the list has them
  std::size_t left_out = 0;            // rows whose picture is missing
};
struct SubjectListOptions {
  const PictureNames* names = nullptr;  // the pictures there are; null: those on the disk
  bool allow_missing = false;
};
/// `place`: a text of lines `path subject` or `path index subject` between tabs, commas or blanks (names with blanks in double
/// quotes), paths below `root`; or a folder of subject folders, whose pictures are the list. Throws Error naming file and line: a
/// row that is neither, a picture twice, pictures that are not there (the first few and how many; with allow_missing they are
/// left out and counted), no row at all.
SubjectList read_subjects(const std::filesystem::path& place, const std::filesystem::path& root,
                          SubjectNumbers& numbers, const SubjectListOptions& options = {});

}  // namespace qcface::data
