// Names of pictures that need not be on the disk, because their embeddings were made elsewhere.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace qcface::data {

class PictureNames {
 public:
  /// A text of one name a line ("AJ_Lamas/AJ_Lamas_0001.jpg"), or an npy of texts; "\" is "/", suffixes of pictures do not
  /// count. Throws Error naming file and line: no name, one that stands there twice.
  explicit PictureNames(const std::filesystem::path& list);
  /// The same of names; `what` stands for the file in messages.
  PictureNames(std::vector<std::string> names, std::string what);

  std::size_t size() const { return names_.size(); }
  const std::string& operator[](std::size_t row) const { return names_[row]; }
  const std::string& what() const { return what_; }
  /// The row of a picture, whose path may have folders in front that the names lack ("IJBC/loose_crop/1.jpg" is 1.jpg), or
  /// lack those that a single name has. Nothing if no name is meant.
  std::optional<std::size_t> find(std::string_view path) const;

 private:
  std::vector<std::string> names_;
  std::string what_;
  std::unordered_map<std::string, std::size_t> row_of_;  // whole names without suffix
  std::unordered_map<std::string, std::size_t>
      row_of_last_;  // last components; of several rows: the number of rows
};

/// Whether a picture can be had: named in `names`, or without them a file.
bool picture_is_there(const std::filesystem::path& path, const PictureNames* names);

}  // namespace qcface::data
