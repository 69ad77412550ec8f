// The training input: <root>/<identity>/<picture>, one or more roots (data-formats.md section 1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qcface::data {

/// Pictures with labels, in scan order. Names are kept in one block of text (a set of millions of pictures
/// costs about 40 bytes each). Immutable once built; may be read from any thread.
class ImageFolder {
 public:
  ImageFolder() = default;
  /// A plain list of files (evaluation, embedding): labels are 0 unless given.
  static ImageFolder from_files(std::span<const std::string> files,
                                std::span<const std::int64_t> labels = {});

  std::int64_t size() const { return static_cast<std::int64_t>(folder_of_.size()); }
  /// max label + 1.
  std::int64_t num_classes() const { return num_classes_; }
  std::int64_t label(std::int64_t index) const { return label_of_[static_cast<std::size_t>(index)]; }
  /// Full path: <root>/<identity>/<picture>.
  std::string path(std::int64_t index) const;
  /// As path(), without allocating once `out` has grown.
  void path(std::int64_t index, std::string& out) const;
  /// <identity>/<picture>.
  std::string relative_path(std::int64_t index) const;
  /// Identity names by label; with merge_by_name one name a label.
  const std::vector<std::string>& class_names() const { return class_names_; }
  /// What the user should be told once: entries left out (counts and examples), empty folders, one identity
  /// only.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  friend class ImageFolderBuilder;         // image_folder.cpp
  std::string names_;                      // file names, one after the other
  std::vector<std::uint64_t> name_begin_;  // size() + 1 offsets into names_
  std::vector<std::uint32_t> folder_of_;   // index into folders_
  std::vector<std::int32_t> label_of_;
  std::vector<std::string> folders_;  // "<root>/<identity>/" with the trailing slash, or "" for plain files
  std::vector<std::string> class_names_;
  std::vector<std::string> warnings_;
  std::int64_t num_classes_ = 0;
};

/// Scans the roots in the order given. Identities, and the pictures of one, in byte order of their names;
/// labels run on over all roots. Dot files, unknown suffixes and what is no regular file are left out with a warning, empty
/// folders use no label.
/// merge_by_name gives identities of one name in several roots one label (that of the first). Throws Error
/// naming the folder: missing, not a folder, or without any picture.
ImageFolder scan_image_folder(std::span<const std::filesystem::path> roots, bool merge_by_name = false);

/// "a,b" -> {a, b}; throws Error for an empty list or an empty entry.
std::vector<std::filesystem::path> split_roots(std::string_view comma_separated);

}  // namespace qcface::data
