// Where pictures come from: numbered, labelled, as they are stored. A new place for them (a record file) is a class of its
// own and a line in open_pictures().
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "harness/data/image.h"

namespace qcface::data {

/// Pictures 0 .. size() - 1. Immutable once made; may be read from any thread.
class PictureSource {
 public:
  virtual ~PictureSource() = default;

  std::int64_t size() const { return static_cast<std::int64_t>(label_of_.size()); }
  /// max label + 1.
  std::int64_t num_classes() const { return num_classes_; }
  std::int64_t label(std::int64_t index) const { return label_of_[static_cast<std::size_t>(index)]; }
  /// Identity names by label.
  const std::vector<std::string>& class_names() const { return class_names_; }
  /// What the user should be told once: entries left out (counts and examples), empty folders, one identity
  /// only.
  const std::vector<std::string>& warnings() const { return warnings_; }

  /// What messages call a picture: a path that ends in <identity>/<picture>.
  virtual std::string name(std::int64_t index) const = 0;
  /// The file a picture lies in: what is kept of it is good as long as that file does not change.
  virtual std::string file(std::int64_t index) const { return name(index); }
  /// Bytes it is stored in; 0 where they cannot be reached.
  virtual std::uint64_t stored_bytes(std::int64_t index) const = 0;
  /// The stored picture, in `buffer`, which only grows, or in memory of the source. Bad input never throws: the reason
  /// comes back.
  virtual DecodeResult read(std::int64_t index, std::vector<std::uint8_t>& buffer,
                            StoredPicture& picture) const = 0;

 protected:
  PictureSource() = default;
  PictureSource(PictureSource&&) = default;
  PictureSource& operator=(PictureSource&&) = default;

  std::vector<std::int32_t> label_of_;
  std::vector<std::string> class_names_;
  std::vector<std::string> warnings_;
  std::int64_t num_classes_ = 0;
};

/// The pictures of `places`, "a,b": image folders (image_folder.h). Throws Error naming the place.
std::unique_ptr<PictureSource> open_pictures(std::string_view places, bool merge_by_name = false);

}  // namespace qcface::data
