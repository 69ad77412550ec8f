// Where pictures are put: a kind of data set that is written. A new kind is a file like folder_target.cpp, a line in
// make_target() and one in kTargetNames.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/data/sets/picture_source.h"

namespace qcface::convert {

enum class TargetKind { kFolder, kRecord, kPack, kBin };
inline constexpr std::pair<std::string_view, TargetKind> kTargetNames[] = {{"folder", TargetKind::kFolder},
                                                                           {"rec", TargetKind::kRecord},
                                                                           {"pack", TargetKind::kPack},
                                                                           {"bin", TargetKind::kBin}};
/// By the suffix of a path: .rec, .qpack, .bin, else a folder.
TargetKind target_of(const std::filesystem::path& path);

/// The pictures of a set in the order in which they are written, which is that of the set, or by class.
class Listing {
 public:
  Listing(const data::PictureSource& set, bool by_class);
  const data::PictureSource& set() const { return set_; }
  std::int64_t size() const { return set_.size(); }
  /// Place in the set of the picture at a position.
  std::int64_t index(std::int64_t position) const {
    return order_.empty() ? position : order_[static_cast<std::size_t>(position)];
  }
  std::int64_t label(std::int64_t position) const { return set_.label(index(position)); }
  std::string file_name(std::int64_t position) const { return set_.file_name(index(position)); }

 private:
  const data::PictureSource& set_;
  std::vector<std::int64_t> order_;  // empty: as the set has them
};

/// What the journal knows of a position.
struct Entry {
  std::uint64_t checksum = 0;  // of what was put there
  std::uint32_t bytes = 0;     // that it takes in the target's file
  std::uint32_t taken = 0;     // 0: left out
};
static_assert(sizeof(Entry) == 16);

struct OutPicture {
  std::span<const std::uint8_t> bytes;  // a picture file; of a pack of pixels: pixels
  std::uint64_t checksum = 0;
};

class Target {
 public:
  virtual ~Target() = default;
  /// A picture may have so many bytes.
  virtual std::uint64_t most_bytes() const { return UINT32_MAX; }
  /// True where a picture that cannot be read stops the work, because others depend on its place.
  virtual bool needs_all() const { return false; }
  /// Begins, or goes on behind the positions that an earlier call has done. Returns how many of them are still there.
  virtual std::size_t begin(std::span<const Entry> done) = 0;
  /// In the order of positions, some of which are left out. Returns the bytes it takes.
  virtual std::uint32_t put(std::int64_t position, const OutPicture& picture) = 0;
  /// All that was put is on disk.
  virtual void sync() = 0;
  /// Writes what stands behind the pictures and gives the target its name. Returns what the user should be told.
  virtual std::vector<std::string> finish(std::span<const Entry> entries) = 0;
};

/// `side`: of pixels; 0: picture files.
std::unique_ptr<Target> make_pack_target(const std::filesystem::path& path, const Listing& listing, int side);
/// `png`: pictures are put as PNG, whatever the set has them as; here and below.
/// With `same`, the pictures 2k and 2k + 1 are named as pair k in <path>/pairs.list (data-formats.md section 6).
std::unique_ptr<Target> make_folder_target(const std::filesystem::path& path, const Listing& listing,
                                           bool png, std::vector<char> same = {});
std::unique_ptr<Target> make_record_target(const std::filesystem::path& path, const Listing& listing);
/// same[k]: whether the pictures 2k and 2k + 1 show one person.
std::unique_ptr<Target> make_bin_target(const std::filesystem::path& path, std::vector<char> same);

/// ".jpg", ".png", ... by the first bytes of a picture file; ".jpg" for what no format is known of.
std::string_view suffix_of(std::span<const std::uint8_t> file);

/// Names for the folders of classes: those of the set where these can be names of folders and stand in ascending order of
/// bytes, so that a scan gives the same labels; else with the label, zero-padded, in front.
data::ClassNames folder_names(const data::ClassNames& class_names);
/// `name` if a folder may hold a picture of that name (data-formats.md section 1), else "".
std::string usable_file_name(std::string name);

}  // namespace qcface::convert
