#include "harness/data/sets/image_folder.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <memory>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "harness/console/interrupt.h"
#include "harness/console/progress.h"
#include "harness/data/lists/picture_list.h"
#include "harness/data/sets/left_out.h"

namespace qcface::data {
namespace fs = std::filesystem;

namespace {

struct FolderEntry {
  std::string name;
  unsigned char type;  // DT_REG, DT_DIR, ..., as the listing has it
};

// A folder in byte order of the names. std::string compares as unsigned bytes.
std::vector<FolderEntry> sorted_entries(const std::string& folder) {
  struct Close {
    void operator()(DIR* open) const { ::closedir(open); }
  };
  const std::unique_ptr<DIR, Close> listing(::opendir(folder.c_str()));
  require(listing != nullptr, "{}: cannot read the folder ({})", folder, std::strerror(errno));
  std::vector<FolderEntry> entries;
  while (true) {
    errno = 0;
    const dirent* const entry = ::readdir(listing.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (entries.size() % 1024 == 0) stop_if_interrupted();
    entries.push_back({std::string(name), entry->d_type});
  }
  require(errno == 0, "{}: cannot read the folder ({})", folder, std::strerror(errno));
  std::sort(entries.begin(), entries.end(),
            [](const FolderEntry& a, const FolderEntry& b) { return a.name < b.name; });
  return entries;
}

// False also for a link that leads to itself. Some file systems tell no types.
bool is_folder(const std::string& folder, const FolderEntry& entry) {
  if (entry.type != DT_LNK && entry.type != DT_UNKNOWN) return entry.type == DT_DIR;
  std::error_code ignored;
  return fs::is_directory(folder + entry.name, ignored);
}

void require_folder(const fs::path& folder) {
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  require(fs::exists(status), "{}: the data folder does not exist", folder.string());
  require(fs::is_directory(status),
          "{}: is not a folder, and no other kind of data set: expected <root>/<identity>/<picture>, or a "
          "RecordIO file",
          folder.string());
}

std::string with_slash(std::string folder) {
  if (!folder.ends_with('/')) folder += '/';
  return folder;
}

}  // namespace

class ImageFolderBuilder {
 public:
  ImageFolderBuilder() { set_.name_begin_.push_back(0); }

  std::uint32_t add_folder(std::string folder) {
    set_.folders_.push_back(std::move(folder));
    return static_cast<std::uint32_t>(set_.folders_.size() - 1);
  }
  std::int64_t add_class(std::string name) {
    set_.class_names_.push_back(std::move(name));
    return static_cast<std::int64_t>(set_.class_names_.size()) - 1;
  }
  void add_picture(std::string_view name, std::uint32_t folder, std::int64_t label) {
    require(label >= 0 && label <= std::numeric_limits<std::int32_t>::max(), "label {} of {} is out of range",
            label, name);
    set_.names_ += name;
    set_.name_begin_.push_back(set_.names_.size());
    set_.folder_of_.push_back(folder);
    set_.label_of_.push_back(static_cast<std::int32_t>(label));
    set_.num_classes_ = std::max(set_.num_classes_, label + 1);
  }
  void warn(std::string text) { set_.warnings_.push_back(std::move(text)); }

  ImageFolder scan(const fs::path& root) {
    require_folder(root);
    set_.what_ = "image folder " + root.string();
    const std::string base = with_slash(root.string());
    std::vector<std::string> pictures;
    const std::vector<FolderEntry> entries = sorted_entries(base);
    Progress progress("scanning " + root.string(), entries.size(), "folders");
    for (std::size_t done = 0; done < entries.size(); ++done) {
      const FolderEntry& identity = entries[done];
      const std::string path = base + identity.name;
      if (identity.name.starts_with('.')) {
        left_out_.note(LeftOut::kDotFile, path);
      } else if (!is_folder(base, identity)) {
        if (takes_file(identity, path)) left_out_.note(LeftOut::kUnexpectedPlace, path);
      } else {
        collect(with_slash(path), pictures);
        if (pictures.empty() && empty_folders_++ == 0) empty_example_ = path;
        if (pictures.empty()) continue;
        const std::int64_t label = add_class(identity.name);
        const std::uint32_t folder = add_folder(with_slash(path));
        for (const std::string& name : pictures) add_picture(name, folder, label);
      }
      if (done % 64 == 0) progress.update(done, fmt::format("{} pictures", set_.size()));
    }
    require(set_.size() > 0,
            "{}: no pictures found. Expected <root>/<identity>/<picture> with picture suffixes such as .jpg "
            "or .png{}",
            root.string(), left_out_.count() > 0 ? "; left out: " + left_out_.describe() : "");
    if (left_out_.count() > 0) warn(fmt::format("left out: {}", left_out_.describe()));
    if (empty_folders_ > 0) {
      warn(fmt::format("{} identity folders hold no pictures and got no label, for example {}",
                       empty_folders_, empty_example_));
    }
    return std::move(set_);
  }

  ImageFolder take() { return std::move(set_); }

 private:
  void collect(const std::string& identity, std::vector<std::string>& pictures) {
    pictures.clear();
    for (FolderEntry& entry : sorted_entries(identity)) {
      const std::string path = identity + entry.name;
      if (entry.name.starts_with('.')) {
        left_out_.note(LeftOut::kDotFile, path);
      } else if (is_folder(identity, entry)) {
        left_out_.note(LeftOut::kUnexpectedPlace, path);
      } else if (!has_picture_suffix(entry.name)) {
        left_out_.note(LeftOut::kUnknownSuffix, path);
      } else if (takes_file(entry, path)) {
        pictures.push_back(std::move(entry.name));
      }
    }
  }

  bool takes_file(const FolderEntry& entry, const std::string& path) {
    if (entry.type == DT_REG) return true;
    std::error_code ignored;
    return left_out_.takes_file(fs::directory_entry(path, ignored));
  }

  ImageFolder set_;
  LeftOut left_out_;
  std::int64_t empty_folders_ = 0;
  std::string empty_example_;
};

ImageFolder scan_image_folder(const fs::path& root) { return ImageFolderBuilder().scan(root); }

ImageFolder ImageFolder::from_files(std::span<const std::string> files) {
  ImageFolderBuilder builder;
  const std::uint32_t folder = builder.add_folder("");
  for (const std::string& file : files) builder.add_picture(file, folder, 0);
  return builder.take();
}

std::string ImageFolder::path(std::int64_t index) const {
  const auto i = static_cast<std::size_t>(index);
  std::string path = folders_[folder_of_[i]];
  return path.append(names_, name_begin_[i], name_begin_[i + 1] - name_begin_[i]);
}

std::string ImageFolder::file_name(std::int64_t index) const {
  return fs::path(path(index)).filename().string();
}

std::uint64_t ImageFolder::stored_bytes(std::int64_t index) const {
  struct stat status {};
  return ::stat(path(index).c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

DecodeResult ImageFolder::read(std::int64_t index, std::vector<std::uint8_t>& buffer,
                               StoredPicture& picture) const {
  picture = {};
  return ImageDecoder::read_file(path(index), buffer, picture.bytes);
}

}  // namespace qcface::data
