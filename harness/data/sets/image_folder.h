// Pictures in folders: <root>/<identity>/<picture> (data-formats.md section 1).
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/data/sets/picture_source.h"

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
  std::string root_;  // with the trailing slash; plain files have none, and no classes' names
};

/// Scans the root, with progress: identities, and the pictures of one, in byte order of their names, which are labelled in
/// that order. Dot files, unknown suffixes and what is no regular file are left out with a warning, empty folders use no
/// label. Kinds of files are taken from the listings; only links are looked at. Throws Error naming the folder: missing, not
/// a folder, or without any picture.
ImageFolder scan_image_folder(const std::filesystem::path& root);

}  // namespace qcface::data
