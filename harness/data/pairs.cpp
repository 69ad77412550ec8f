#include "harness/data/pairs.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>
#include <unordered_map>

#include "core/atomic_file.h"
#include "core/error.h"

namespace qcface::data {
namespace fs = std::filesystem;
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// Fields separated by blanks and at most one comma.
std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> fields;
  std::size_t at = 0;
  while (at < line.size()) {
    while (at < line.size() && is_blank(line[at])) ++at;
    const std::size_t begin = at;
    while (at < line.size() && !is_blank(line[at]) && line[at] != ',') ++at;
    if (at > begin) fields.push_back(line.substr(begin, at - begin));
    while (at < line.size() && is_blank(line[at])) ++at;
    if (at < line.size() && line[at] == ',') {
      ++at;
      if (at == line.size()) fields.emplace_back();  // a comma at the end: an empty field
    }
  }
  return fields;
}

// "12" and "12.0" are 12; anything else is no number.
std::optional<std::int64_t> whole_number(std::string_view field) {
  double value = 0.0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  constexpr double kLargest = 9.0e15;
  if (error != std::errc{} || end != field.data() + field.size() || !(std::abs(value) <= kLargest) ||
      value != std::floor(value)) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(value);
}

class Reader {
 public:
  Reader(const fs::path& list, const fs::path& root) : list_(list), root_(root) {
    std::error_code ignored;
    require(fs::is_directory(root, ignored), "{}: the picture folder of the pair list does not exist",
            root.string());
  }

  void line(std::string_view text, std::size_t number) {
    number_ = number;
    const std::vector<std::string_view> fields = split(text);
    if (fields.empty() || fields.front().starts_with('#')) return;
    require(fields.size() == 3, "{}: line {}: expected 3 fields (picture, picture, 1 or 0), found {}",
            list_.string(), number, fields.size());
    const std::optional<std::int64_t> same = whole_number(fields[2]);
    require(same == 0 || same == 1, "{}: line {}: '{}' is neither 1 (same) nor 0 (different)", list_.string(),
            number, fields[2]);
    const int a = image(fields[0]);
    const int b = image(fields[1]);
    pairs_.pairs.emplace_back(a, b);
    pairs_.same.push_back(static_cast<char>(*same));
  }

  PairList finish() {
    require(pairs_.size() > 0, "{}: no pairs in this list", list_.string());
    return std::move(pairs_);
  }

 private:
  int image(std::string_view field) {
    const std::optional<std::int64_t> number = whole_number(field);
    const std::string key = number ? std::to_string(*number) : std::string(field);
    const auto [known, inserted] = index_.try_emplace(key, static_cast<int>(pairs_.images.size()));
    if (inserted) pairs_.images.push_back(number ? find_number(key) : find_path(key));
    return known->second;
  }

  std::string find_path(const std::string& name) const {
    const fs::path path = fs::path(name).is_absolute() ? fs::path(name) : root_ / name;
    std::error_code ignored;
    require(fs::is_regular_file(path, ignored), "{}: line {}: there is no picture {}", list_.string(),
            number_, path.string());
    return path.string();
  }

  // The place and suffix of the last hit are tried first: lists are uniform.
  std::string find_number(const std::string& number) {
    static constexpr const char* kFolders[] = {"imgs", ""};
    static constexpr const char* kSuffixes[] = {".jpg", ".png",  ".jpeg", ".bmp", ".pgm",
                                                ".ppm", ".webp", ".JPG",  ".PNG"};
    std::error_code ignored;
    if (!folder_.empty()) {
      const fs::path path = folder_ / (number + suffix_);
      if (fs::is_regular_file(path, ignored)) return path.string();
    }
    for (const char* folder : kFolders) {
      for (const char* suffix : kSuffixes) {
        const fs::path base = *folder == '\0' ? root_ : root_ / folder;
        const fs::path path = base / (number + suffix);
        if (!fs::is_regular_file(path, ignored)) continue;
        folder_ = base;
        suffix_ = suffix;
        return path.string();
      }
    }
    fail("{}: line {}: there is no picture {}.jpg (or .png, ...) in {} or {}", list_.string(), number_,
         number, (root_ / "imgs").string(), root_.string());
  }

  const fs::path list_, root_;
  std::size_t number_ = 0;
  fs::path folder_;
  std::string suffix_;
  std::unordered_map<std::string, int> index_;
  PairList pairs_;
};

}  // namespace

PairList read_pairs(const fs::path& list, const fs::path& root) {
  const std::string text = read_file(list);
  Reader reader(list, root);
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    reader.line(std::string_view(text).substr(begin, end - begin), ++number);
    begin = end + 1;
  }
  return reader.finish();
}

}  // namespace qcface::data
