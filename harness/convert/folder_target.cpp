// Writes <class>/<picture> (data-formats.md section 1), in a folder that has its name when all of them are there.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/atomic_file.h"
#include "core/checksum.h"
#include "core/error.h"
#include "harness/convert/part_file.h"
#include "harness/convert/target.h"
#include "harness/data/lists/picture_list.h"

namespace qcface::convert {
namespace fs = std::filesystem;

namespace {

class FolderTarget final : public Target {
 public:
  FolderTarget(const fs::path& path, const Listing& listing, bool png, std::vector<char> same)
      : path_(path.filename().empty() ? path.parent_path() : path),
        part_(PartFile::part_of(path_)),
        listing_(listing),
        png_(png),
        same_(std::move(same)),
        folders_(folder_names(names_of_all(listing.set()))) {
    find_named_classes();
  }
  ~FolderTarget() override {
    if (root_ >= 0) ::close(root_);
    if (class_ >= 0) ::close(class_);
  }

  bool needs_all() const override { return !same_.empty(); }

  std::size_t begin(std::span<const Entry> done) override {
    std::error_code error;
    const bool there = fs::is_directory(part_, error);
    fs::create_directories(part_, error);
    root_ = ::open(part_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    require(root_ >= 0, "{}: cannot be made: {}", part_.string(), std::strerror(errno));
    return there ? done.size() : 0;
  }

  std::uint32_t put(std::int64_t position, const OutPicture& picture) override {
    const auto label = listing_.label(position);
    if (label != open_label_) open_class(label);
    const std::string name = name_of(position, picture.bytes);
    const int fd =
        ::openat(class_, name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    bool good = fd >= 0;
    const auto* at = reinterpret_cast<const char*>(picture.bytes.data());
    std::size_t left = picture.bytes.size();
    while (good && left > 0) {
      const ssize_t written = ::write(fd, at, left);
      if (written < 0 && errno == EINTR) continue;
      good = written > 0;
      if (!good) break;
      at += written;
      left -= static_cast<std::size_t>(written);
    }
    const int code = errno;
    if (fd >= 0 && ::close(fd) != 0) good = false;
    require(good,
            "{}: write failed: {}; what was done before is kept: make room and give the same command again",
            (part_ / folders_[static_cast<std::size_t>(label)] / name).string(), std::strerror(code));
    return static_cast<std::uint32_t>(picture.bytes.size());
  }

  void sync() override {
    require(::syncfs(root_) == 0,
            "{}: sync failed: {}; what was done before is kept: make room and give the same command again",
            part_.string(), std::strerror(errno));
  }

  std::vector<std::string> finish(std::span<const Entry> entries) override {
    if (!same_.empty()) write_file_atomically(part_ / "pairs.list", pair_list());
    sync();
    require(::rename(part_.c_str(), path_.c_str()) == 0, "{}: cannot be put in place: {}", path_.string(),
            std::strerror(errno));
    sync_folder(path_.parent_path());
    return notes(entries);
  }

 private:
  // By number: the pictures of pairs are called 1.jpg, 2.jpg, ...
  std::string pair_list() const {
    std::string text;
    for (std::size_t k = 0; k < same_.size(); ++k)
      text += fmt::format("{} {} {}\n", 2 * k + 1, 2 * k + 2, same_[k] != 0 ? 1 : 0);
    return text;
  }

  static data::ClassNames names_of_all(const data::PictureSource& set) {
    data::ClassNames names = set.class_names();
    for (auto k = static_cast<std::int64_t>(names.size()); k < set.num_classes(); ++k)
      names.push_back(fmt::format("{}", k));
    return names;
  }

  // A class's pictures keep their names where all of them can, and no two are the same: else all have numbers.
  void find_named_classes() {
    named_.assign(folders_.size(), true);
    std::vector<std::uint64_t> seen(static_cast<std::size_t>(listing_.size()));
    std::string key;
    for (std::int64_t p = 0; p < listing_.size(); ++p) {
      const std::string name = own_name(p);
      const auto label = listing_.label(p);
      if (name.empty()) named_[static_cast<std::size_t>(label)] = false;
      key = fmt::format("{}/", label) + name;
      seen[static_cast<std::size_t>(p)] = checksum(key.data(), key.size());
    }
    std::vector<std::uint64_t> sorted = seen;
    std::sort(sorted.begin(), sorted.end());
    std::vector<std::uint64_t> twice;
    for (std::size_t i = 1; i < sorted.size(); ++i) {
      if (sorted[i] == sorted[i - 1]) twice.push_back(sorted[i]);
    }
    if (twice.empty()) return;
    for (std::int64_t p = 0; p < listing_.size(); ++p) {
      if (std::binary_search(twice.begin(), twice.end(), seen[static_cast<std::size_t>(p)]))
        named_[static_cast<std::size_t>(listing_.label(p))] = false;
    }
  }

  std::string own_name(std::int64_t position) const {
    std::string name = usable_file_name(listing_.file_name(position));
    if (png_ && !name.empty()) name = name.substr(0, name.rfind('.')) + ".png";
    return name;
  }

  std::string name_of(std::int64_t position, std::span<const std::uint8_t> file) const {
    if (named_[static_cast<std::size_t>(listing_.label(position))]) return own_name(position);
    return fmt::format("{:09}{}", listing_.index(position), suffix_of(file));
  }

  void open_class(std::int64_t label) {
    const std::string name = folders_[static_cast<std::size_t>(label)];
    if (class_ >= 0) ::close(class_);
    const bool made = ::mkdirat(root_, name.c_str(), 0755) == 0 || errno == EEXIST;
    class_ = made ? ::openat(root_, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    require(class_ >= 0,
            "{}: cannot be made: {}; what was done before is kept: give the same command again when that is "
            "mended",
            (part_ / name).string(), std::strerror(errno));
    open_label_ = label;
  }

  std::vector<std::string> notes(std::span<const Entry> entries) const {
    std::vector<char> used(folders_.size(), 0);
    for (std::size_t p = 0; p < entries.size(); ++p) {
      if (entries[p].taken != 0)
        used[static_cast<std::size_t>(listing_.label(static_cast<std::int64_t>(p)))] = 1;
    }
    const auto empty = std::count(used.begin(), used.end(), 0);
    std::vector<std::string> notes;
    if (empty > 0)
      notes.push_back(fmt::format(
          "{}: {} classes have no pictures, and a folder holds none of them: labels that a scan gives "
          "are smaller than the set's behind each",
          path_.string(), empty));
    return notes;
  }

  fs::path path_, part_;
  const Listing& listing_;
  bool png_;
  std::vector<char> same_;
  data::ClassNames folders_;  // by label
  std::vector<bool> named_;   // by label: pictures keep their names
  int root_ = -1, class_ = -1;
  std::int64_t open_label_ = -1;
};

}  // namespace

std::string usable_file_name(std::string name) {
  constexpr std::size_t kLongest = 255;
  const bool usable = !name.empty() && name.size() <= kLongest && name.front() != '.' &&
                      name.find_first_of(std::string_view("/\0", 2)) == std::string::npos &&
                      data::has_picture_suffix(name);
  if (!usable) name.clear();
  return name;
}

data::ClassNames folder_names(const data::ClassNames& class_names) {
  constexpr std::size_t kLongest = 255;
  bool usable = true;
  std::string before;  // empty, so that no empty name is usable
  class_names.for_each([&](std::string_view name) {
    usable = usable && name > before && name.size() <= kLongest && name.front() != '.' &&
             name.find_first_of(std::string_view("/\0", 2)) == std::string::npos;
    if (usable) before = name;
  });
  if (usable) return class_names;
  const std::size_t digits = std::to_string(class_names.size()).size();
  data::ClassNames names;
  std::size_t k = 0;
  class_names.for_each([&](std::string_view given) {
    std::string name = fmt::format("{:0{}}", k, digits);
    if (!given.empty() && given != std::to_string(k)) {
      std::string own(given.substr(0, kLongest - digits - 1));
      for (char& c : own) c = c == '/' || c == '\0' ? '_' : c;
      name += "_" + own;
    }
    names.push_back(name);
    ++k;
  });
  return names;
}

std::unique_ptr<Target> make_folder_target(const fs::path& path, const Listing& listing, bool png,
                                           std::vector<char> same) {
  return std::make_unique<FolderTarget>(path, listing, png, std::move(same));
}

}  // namespace qcface::convert
