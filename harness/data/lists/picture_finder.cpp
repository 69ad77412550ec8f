#include "harness/data/lists/picture_finder.h"

#include <sys/stat.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/open_file.h"
#include "core/text.h"
#include "harness/console/interrupt.h"
#include "harness/data/lists/list_text.h"
#include "harness/data/lists/picture_list.h"

namespace qcface::data {
namespace fs = std::filesystem;
namespace {

fs::path appended(fs::path base, std::string_view suffix) { return base += suffix; }

}  // namespace

PictureFinder::PictureFinder(fs::path list, fs::path root, const PictureNames* names)
    : list_(std::move(list)), root_(std::move(root)), names_(names) {
  std::error_code ignored;
  require(names_ != nullptr || fs::is_directory(root_, ignored),
          "{}: the picture folder of the list {} does not exist", root_.string(), list_.string());
}

bool PictureFinder::is_picture_file(const fs::path& path) {
  if (names_ != nullptr) return names_->find(path.string()).has_value();
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return false;
  if (S_ISREG(status.st_mode)) return true;
  if (!S_ISDIR(status.st_mode))
    special_ =
        fmt::format(" ({} is {})", printable(path.string(), kPrintedBytes), kind_of_file(status.st_mode));
  return false;
}

std::optional<std::string> PictureFinder::with_suffix(const fs::path& base) {
  if (!suffix_.empty()) {
    if (const fs::path path = appended(base, suffix_); is_picture_file(path)) return path.string();
  }
  for (const std::string_view known : picture_suffixes()) {
    std::string upper(known);
    for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    for (const std::string& suffix : {std::string(known), upper}) {
      const fs::path path = appended(base, suffix);
      if (!is_picture_file(path)) continue;
      suffix_ = suffix;
      return path.string();
    }
  }
  return std::nullopt;
}

std::optional<std::string> PictureFinder::locate(const std::string& name) {
  special_.clear();
  std::vector<std::string> forms{name};  // as written first
  if (name.find('\\') != std::string::npos) {
    forms.push_back(name);
    std::replace(forms.back().begin(), forms.back().end(), '\\', '/');
  }
  if (const auto number = whole_number(name)) {
    std::string plain = std::to_string(*number);
    const bool padded = name.find('.') == std::string::npos;  // 12.0 is nothing but a number
    if (plain != name) forms.insert(padded ? forms.end() : forms.begin(), std::move(plain));
  }
  for (const std::string& form : forms) {
    const bool whole = has_picture_suffix(form);
    for (const bool in_imgs : {!whole, whole}) {
      const fs::path path = (in_imgs ? root_ / "imgs" : root_) / form;
      if (is_picture_file(path)) return path.string();
      if (whole) continue;
      if (auto found = with_suffix(path)) return found;
    }
  }
  return std::nullopt;
}

int PictureFinder::find(const std::string& name, std::size_t line) {
  if (const auto known = index_of_name_.find(name); known != index_of_name_.end()) return known->second;
  stop_if_interrupted();
  return add(name, locate(name), whole_number(name) ? name + ".jpg (or .png, ...)" : name, line);
}

int PictureFinder::find(const std::string& person, std::int64_t number, std::size_t line) {
  const std::string file = fmt::format("{}_{:04}", person, number), wanted = person + "/" + file;
  if (const auto known = index_of_name_.find(wanted); known != index_of_name_.end()) return known->second;
  stop_if_interrupted();
  special_.clear();
  auto found = with_suffix(root_ / wanted);
  if (!found) found = with_suffix(root_ / file);
  return add(wanted, found, wanted + ".jpg", line);
}

int PictureFinder::find_any(const std::vector<std::string>& forms, std::size_t line) {
  const std::string& usual = forms.front();
  if (const auto known = index_of_name_.find(usual); known != index_of_name_.end()) return known->second;
  stop_if_interrupted();
  std::optional<std::string> found;
  for (const std::string& form : forms) {
    if (!found) found = locate(form);
  }
  return add(usual, found, usual, line);
}

int PictureFinder::add(const std::string& name, const std::optional<std::string>& file,
                       const std::string& wanted, std::size_t line) {
  int index = -1;
  if (file) {
    const auto [known, is_new] = index_of_file_.try_emplace(*file, static_cast<int>(images_.size()));
    if (is_new) images_.push_back(*file);
    index = known->second;
  } else {
    missing_.push_back(
        {line, fmt::format("there is no picture {}{}", printable(wanted, kPrintedBytes), special_)});
  }
  index_of_name_.emplace(name, index);
  return index;
}

void PictureFinder::require_all() const {
  if (missing_.empty()) return;
  constexpr std::size_t kShown = 4;
  std::string more;
  for (std::size_t i = 1; i < std::min(missing_.size(), kShown); ++i)
    more += fmt::format("; line {}: {}", missing_[i].line, missing_[i].text);
  if (missing_.size() > kShown) more += fmt::format("; {} pictures are missing in all", missing_.size());
  fail("{}: line {}: {} in {}{}", list_.string(), missing_[0].line, missing_[0].text, root_.string(), more);
}

}  // namespace qcface::data
