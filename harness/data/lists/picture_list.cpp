#include "harness/data/lists/picture_list.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "harness/console/interrupt.h"

namespace qcface::data {
namespace fs = std::filesystem;
namespace {

constexpr std::array<std::string_view, 14> kSuffixes = {".jpg", ".png",  ".jpeg", ".bmp",  ".pgm",
                                                        ".ppm", ".webp", ".tif",  ".tiff", ".pbm",
                                                        ".pnm", ".jfif", ".jpe",  ".jif"};

class Lister {
 public:
  explicit Lister(PictureList& list) : list_(list) {}

  void enter(const fs::path& folder) {
    struct stat status {};
    const bool known = ::stat(folder.c_str(), &status) == 0;
    const std::pair identity{status.st_dev, status.st_ino};
    if (known && std::find(above_.begin(), above_.end(), identity) != above_.end()) {
      list_.left_out.note(LeftOut::kLinkLoop, folder);
      return;
    }
    above_.push_back(identity);
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) take(*it);
    require(!error, "{}: cannot read the folder ({})", folder.string(), error.message());
    above_.pop_back();
  }

 private:
  void take(const fs::directory_entry& entry) {
    stop_if_interrupted();
    std::error_code ignored;
    const std::string name = entry.path().filename().string();
    if (name.starts_with('.')) {
      list_.left_out.note(LeftOut::kDotFile, entry.path());
    } else if (entry.is_directory(ignored)) {
      enter(entry.path());
    } else if (!has_picture_suffix(name)) {
      list_.left_out.note(LeftOut::kUnknownSuffix, entry.path());
    } else if (list_.left_out.takes_file(entry)) {
      list_.files.push_back(entry.path().string());
    }
  }

  PictureList& list_;
  std::vector<std::pair<dev_t, ino_t>> above_;  // folders between the root and here
};

}  // namespace

std::span<const std::string_view> picture_suffixes() { return kSuffixes; }

bool has_picture_suffix(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return false;
  const std::string_view suffix = name.substr(dot);
  return std::any_of(kSuffixes.begin(), kSuffixes.end(), [&](std::string_view known) {
    return std::equal(suffix.begin(), suffix.end(), known.begin(), known.end(),
                      [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; });
  });
}

PictureList list_pictures(const fs::path& folder) {
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  require(fs::exists(status), "{}: the picture folder does not exist", folder.string());
  require(fs::is_directory(status), "{}: the picture folder is not a folder", folder.string());
  PictureList list;
  Lister(list).enter(folder);
  require(!list.files.empty(), "{}: no pictures found{}", folder.string(),
          list.left_out.count() > 0 ? "; left out: " + list.left_out.describe() : "");
  std::sort(list.files.begin(), list.files.end());
  return list;
}

}  // namespace qcface::data
