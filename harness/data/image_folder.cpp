#include "harness/data/image_folder.h"

#include <sys/stat.h>

#include <algorithm>
#include <limits>
#include <map>

#include "core/error.h"
#include "harness/console/interrupt.h"
#include "harness/data/left_out.h"
#include "harness/data/picture_list.h"

namespace qcface::data {
namespace fs = std::filesystem;

namespace {

// Names of one folder in byte order. std::string compares as unsigned bytes.
std::vector<fs::directory_entry> sorted_entries(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::directory_entry> entries;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    stop_if_interrupted();
    entries.push_back(*it);
  }
  require(!error, "{}: cannot read the folder ({})", folder.string(), error.message());
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return a.path().filename().native() < b.path().filename().native();
  });
  return entries;
}

bool is_dot(const fs::path& path) { return path.filename().native().starts_with('.'); }

// False also for a link that leads to itself.
bool is_folder(const fs::directory_entry& entry) {
  std::error_code ignored;
  return entry.is_directory(ignored);
}

void require_folder(const fs::path& folder, const char* what) {
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  require(fs::exists(status), "{}: {} does not exist", folder.string(), what);
  require(fs::is_directory(status), "{}: {} is not a folder", folder.string(), what);
}

std::string with_slash(const fs::path& folder) {
  std::string text = folder.string();
  if (!text.ends_with('/')) text += '/';
  return text;
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

  void scan(const fs::path& root, bool merge_by_name) {
    require_folder(root, "the data folder");
    const std::int64_t before = set_.size();
    std::vector<std::string> pictures;
    for (const fs::directory_entry& identity : sorted_entries(root)) {
      if (is_dot(identity.path())) {
        left_out_.note(LeftOut::kDotFile, identity.path());
        continue;
      }
      if (!is_folder(identity)) {
        if (left_out_.takes_file(identity)) left_out_.note(LeftOut::kUnexpectedPlace, identity.path());
        continue;
      }
      collect(identity.path(), pictures);
      if (pictures.empty()) {
        if (empty_folders_++ == 0) empty_example_ = identity.path().string();
        continue;
      }
      const std::int64_t label = label_for(identity.path().filename().string(), merge_by_name);
      const std::uint32_t folder = add_folder(with_slash(identity.path()));
      for (const std::string& name : pictures) add_picture(name, folder, label);
    }
    require(set_.size() > before,
            "{}: no pictures found. Expected <root>/<identity>/<picture> with picture suffixes such as .jpg "
            "or .png{}",
            root.string(), left_out_.count() > 0 ? "; left out: " + left_out_.describe() : "");
  }

  ImageFolder finish() {
    if (left_out_.count() > 0) warn(fmt::format("left out: {}", left_out_.describe()));
    if (empty_folders_ > 0) {
      warn(fmt::format("{} identity folders hold no pictures and got no label, for example {}",
                       empty_folders_, empty_example_));
    }
    if (set_.num_classes() == 1) {
      warn(fmt::format("only one identity ({}): a classification loss has nothing to tell apart",
                       set_.class_names().front()));
    }
    return std::move(set_);
  }

  ImageFolder take() { return std::move(set_); }

 private:
  void collect(const fs::path& identity, std::vector<std::string>& pictures) {
    pictures.clear();
    for (const fs::directory_entry& entry : sorted_entries(identity)) {
      if (is_dot(entry.path())) {
        left_out_.note(LeftOut::kDotFile, entry.path());
      } else if (is_folder(entry)) {
        left_out_.note(LeftOut::kUnexpectedPlace, entry.path());
      } else if (!has_picture_suffix(entry.path().filename().native())) {
        left_out_.note(LeftOut::kUnknownSuffix, entry.path());
      } else if (left_out_.takes_file(entry)) {
        pictures.push_back(entry.path().filename().string());
      }
    }
  }

  std::int64_t label_for(const std::string& name, bool merge_by_name) {
    if (!merge_by_name) return add_class(name);
    const auto [known, inserted] = label_of_name_.try_emplace(name, 0);
    if (inserted) known->second = add_class(name);
    return known->second;
  }

  ImageFolder set_;
  LeftOut left_out_;
  std::int64_t empty_folders_ = 0;
  std::string empty_example_;
  std::map<std::string, std::int64_t> label_of_name_;
};

ImageFolder scan_image_folder(std::span<const fs::path> roots, bool merge_by_name) {
  require(!roots.empty(),
          "no data folder given: expected at least one <root> with <root>/<identity>/<picture>");
  ImageFolderBuilder builder;
  std::map<fs::path, int> seen;
  for (const fs::path& root : roots) {
    builder.scan(root, merge_by_name);
    if (++seen[fs::canonical(root)] == 2) {
      builder.warn(fmt::format("{}: the data folder is given more than once, its pictures count as often",
                               root.string()));
    }
  }
  return builder.finish();
}

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

std::vector<fs::path> split_roots(std::string_view comma_separated) {
  std::vector<fs::path> roots;
  for (std::size_t begin = 0;;) {
    const std::size_t comma = comma_separated.find(',', begin);
    const std::string_view root = comma_separated.substr(begin, comma - begin);
    require(!root.empty(), "data folders '{}': expected paths separated by single commas", comma_separated);
    roots.emplace_back(root);
    if (comma == std::string_view::npos) return roots;
    begin = comma + 1;
  }
}

}  // namespace qcface::data
