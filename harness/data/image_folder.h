// The training input: <root>/<identity>/<picture>, one or more roots (data-formats.md section 1).
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/data/picture_source.h"

namespace qcface::data {

/// Pictures in scan order. Names are kept in one block of text (a set of millions of pictures costs about 40 bytes each).
class ImageFolder final : public PictureSource {
 public:
  /// A plain list of files (evaluation, embedding), all of label 0.
  static ImageFolder from_files(std::span<const std::string> files);

  /// <root>/<identity>/<picture>.
  std::string path(std::int64_t index) const;
  std::string name(std::int64_t index) const override { return path(index); }
  std::string file_name(std::int64_t index) const override;
  std::uint64_t stored_bytes(std::int64_t index) const override;
  DecodeResult read(std::int64_t index, std::vector<std::uint8_t>& buffer,
                    StoredPicture& picture) const override;

 private:
  friend class ImageFolderBuilder;         // image_folder.cpp
  std::string names_;                      // file names, one after the other
  std::vector<std::uint64_t> name_begin_;  // size() + 1 offsets into names_
  std::vector<std::uint32_t> folder_of_;   // index into folders_
  std::vector<std::string> folders_;  // "<root>/<identity>/" with the trailing slash, or "" for plain files
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
