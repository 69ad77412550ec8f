// Where pictures come from: numbered, labelled, as they are stored. A new kind of place for them is a class of its own and a
// line in the table of open_pictures().
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "harness/data/image.h"
#include "harness/data/sets/class_names.h"

namespace qcface::data {

/// One of the sets that were opened together; the pictures of each stand behind those of the one before.
struct PicturePart {
  std::string what;           // "image folder faces/train", "RecordIO ms1m/train.rec"
  std::int64_t size = 0;      // pictures
  std::int64_t classes = 0;   // labels that it uses, shared ones included
  bool named_classes = true;  // false: names are the class numbers, which say nothing about who it is
};

class PictureSource;
/// The pictures of `places`, "a,b", each told by its content: an image folder (image_folder.h), a RecordIO file or a folder
/// with train.rec (record_set.h), a pack (pack_set.h). Several stand one after the other (mixed_set.h); with merge_by_name
/// classes of one name are one class. Throws Error naming the place.
std::unique_ptr<PictureSource> open_pictures(std::string_view places, bool merge_by_name = false);
/// "a,b" -> {a, b}; throws Error for an empty list or an empty entry.
std::vector<std::filesystem::path> split_places(std::string_view comma_separated);

/// Pictures 0 .. size() - 1. Immutable once made; may be read from any thread.
class PictureSource {
 public:
  virtual ~PictureSource() = default;

  virtual std::int64_t size() const { return static_cast<std::int64_t>(label_of_.size()); }
  /// max label + 1, or more where the set says so.
  std::int64_t num_classes() const { return num_classes_; }
  virtual std::int64_t label(std::int64_t index) const { return label_of_[static_cast<std::size_t>(index)]; }
  /// Identity names by label.
  const ClassNames& class_names() const { return class_names_; }
  /// What the user should be told once: entries left out (counts and examples), empty folders, one identity
  /// only.
  const std::vector<std::string>& warnings() const { return warnings_; }
  /// The sets that it is made of: itself, or several.
  virtual std::vector<PicturePart> parts() const { return {{what_, size(), num_classes(), named_classes_}}; }

  /// What messages call a picture: a path that ends in <identity>/<picture>, or the file and its place in it.
  virtual std::string name(std::int64_t index) const = 0;
  /// The name that the set keeps for the picture itself, without folders ("0001.jpg"); empty where it keeps none.
  virtual std::string file_name(std::int64_t) const { return {}; }
  /// What tells it from the others of the set, wherever that lies: <identity>/<picture>.
  virtual std::string name_in_set(std::int64_t index) const;
  /// The file a picture lies in: what is kept of it is good as long as that file does not change.
  virtual std::string file(std::int64_t index) const { return name(index); }
  /// What reading makes of the stored pictures ("aligned, points 5f3a..."), or empty: embeddings that are kept belong to it.
  virtual std::string reading() const { return {}; }
  /// Bytes it is stored in; 0 where they cannot be reached.
  virtual std::uint64_t stored_bytes(std::int64_t index) const = 0;
  /// Gives the pages of mapped files back to the system, which has them still: those that were looked at count as memory of
  /// this process, and a look may bring two megabytes around it along. They come again when they are asked for.
  virtual void give_back_pages() const {}
  /// The stored picture, in `buffer`, which only grows, or in memory of the source. Bad input never throws: the reason
  /// comes back.
  virtual DecodeResult read(std::int64_t index, std::vector<std::uint8_t>& buffer,
                            StoredPicture& picture) const = 0;

 protected:
  PictureSource() = default;
  PictureSource(PictureSource&&) = default;
  PictureSource& operator=(PictureSource&&) = default;

  friend std::unique_ptr<PictureSource> open_pictures(std::string_view places, bool merge_by_name);

  std::string what_ = "pictures";
  std::vector<std::int32_t> label_of_;
  ClassNames class_names_;
  std::vector<std::string> warnings_;
  std::int64_t num_classes_ = 0;
  bool named_classes_ = true;
};

}  // namespace qcface::data
