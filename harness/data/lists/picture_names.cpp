#include "harness/data/lists/picture_names.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/npy.h"
#include "core/text.h"
#include "harness/data/lists/list_text.h"
#include "harness/data/lists/picture_list.h"

namespace qcface::data {
namespace {

// With "/" for "\", without "./" in front and without the suffix of a picture.
std::string plain_name(std::string_view name) {
  std::string plain(name);
  std::replace(plain.begin(), plain.end(), '\\', '/');
  while (plain.starts_with("./")) plain.erase(0, 2);
  if (has_picture_suffix(plain)) plain.erase(plain.rfind('.'));
  return plain;
}

std::vector<std::string> read_names(const std::filesystem::path& list) {
  std::vector<std::string> names;
  if (list.extension() == ".npy") return read_npy(list).to_strings();
  const ListText text(list);
  for (const ListLine& line : text.lines()) names.emplace_back(line.text);
  return names;
}

}  // namespace

PictureNames::PictureNames(const std::filesystem::path& list)
    : PictureNames(read_names(list), list.string()) {}

PictureNames::PictureNames(std::vector<std::string> names, std::string what)
    : names_(std::move(names)), what_(std::move(what)) {
  require(!names_.empty(), "{}: no names in this list", what_);
  row_of_.reserve(names_.size());
  row_of_last_.reserve(names_.size());
  for (std::size_t row = 0; row < names_.size(); ++row) {
    std::replace(names_[row].begin(), names_[row].end(), '\\', '/');
    const std::string plain = plain_name(names_[row]);
    require(!plain.empty(), "{}: name {} is empty", what_, row + 1);
    const auto [it, added] = row_of_.emplace(plain, row);
    require(added, "{}: name {} is name {} again: {}", what_, row + 1, it->second + 1,
            printable(names_[row], kPrintedBytes));
    const auto [last, first] = row_of_last_.emplace(plain.substr(plain.rfind('/') + 1), row);
    if (!first) last->second = names_.size();
  }
}

std::optional<std::size_t> PictureNames::find(std::string_view path) const {
  const std::string plain = plain_name(path);
  for (std::string_view rest = plain;;) {
    if (const auto it = row_of_.find(std::string(rest)); it != row_of_.end()) return it->second;
    const std::size_t slash = rest.find('/');
    if (slash == std::string_view::npos) {
      const auto it = row_of_last_.find(std::string(rest));
      if (it == row_of_last_.end() || it->second == names_.size()) return std::nullopt;
      // A name with folders of its own that are not the path's is another picture.
      const std::string name = plain_name(names_[it->second]);
      return name.ends_with("/" + plain) ? std::optional(it->second) : std::nullopt;
    }
    rest.remove_prefix(slash + 1);
  }
}

bool picture_is_there(const std::filesystem::path& path, const PictureNames* names) {
  if (names != nullptr) return names->find(path.string()).has_value();
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

}  // namespace qcface::data
