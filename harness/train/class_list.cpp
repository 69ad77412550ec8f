#include "harness/train/class_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string_view>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/text.h"

namespace qcface::train {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kExamples = 3;
constexpr std::int64_t kSizedPictures = 1000;

fs::path list_path(const fs::path& run) { return run / "classes.txt"; }

std::string line_of(const std::string& name) {
  std::string line;
  for (const char c : name) {
    if (c == '\\') {
      line += "\\\\";
    } else if (c == '\n') {
      line += "\\n";
    } else {
      line += c;
    }
  }
  return line;
}

std::string name_of_line(std::string_view line) {
  std::string name;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const bool escape = line[i] == '\\' && i + 1 < line.size();
    if (escape) ++i;
    name += escape && line[i] == 'n' ? '\n' : line[i];
  }
  return name;
}

std::string examples(const std::vector<std::string_view>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kExamples); ++i) {
    text += (i == 0 ? "" : ", ") + printable(names[i], 200);
  }
  if (names.size() > kExamples) text += fmt::format(" and {} more", names.size() - kExamples);
  return text;
}

std::vector<std::string_view> sorted(std::span<const std::string> names) {
  std::vector<std::string_view> views(names.begin(), names.end());
  std::sort(views.begin(), views.end());
  return views;
}

}  // namespace

std::string class_list_hash(std::span<const std::string> names) {
  Fnv1a hash;
  for (const std::string& name : names) {
    hash.add(name);
    hash.add('\0');  // no name holds it
  }
  return hash.hex();
}

std::string picture_list_hash(const data::PictureSource& set) {
  Fnv1a hash;
  for (std::int64_t i = 0; i < set.size(); ++i) {
    hash.add(set.name_in_set(i));
    hash.add('\0');
  }
  const std::int64_t sized = std::min(set.size(), kSizedPictures);
  for (std::int64_t k = 0; k < sized; ++k) {
    const std::uint64_t size = set.stored_bytes(k * set.size() / sized);
    for (int shift = 0; shift < 64; shift += 8) hash.add(static_cast<unsigned char>(size >> shift));
  }
  return hash.hex();
}

void write_class_list(const fs::path& run, std::span<const std::string> names) {
  AtomicFile file(list_path(run));
  std::string block;
  for (const std::string& name : names) {
    block += line_of(name) + '\n';
    if (block.size() < (std::size_t{1} << 20)) continue;
    file.write(block);
    block.clear();
  }
  file.write(block);
  file.commit();
}

std::optional<std::vector<std::string>> read_class_list(const fs::path& run, const std::string& hash) {
  std::string text;
  try {
    text = read_file(list_path(run));
  } catch (const Error&) {
    return std::nullopt;
  }
  std::vector<std::string> names;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    names.push_back(name_of_line(std::string_view(text).substr(begin, end - begin)));
    begin = end + 1;
  }
  if (class_list_hash(names) != hash) return std::nullopt;
  return names;
}

std::string describe_class_change(std::span<const std::string> before, std::span<const std::string> now) {
  std::string text;
  const std::size_t both = std::min(before.size(), now.size());
  for (std::size_t i = 0; i < both && text.empty(); ++i) {
    if (before[i] == now[i]) continue;
    text = fmt::format("class {} was {}, is {}", i, printable(before[i], 200), printable(now[i], 200));
  }
  const auto old_names = sorted(before), new_names = sorted(now);
  std::vector<std::string_view> removed, added;
  std::set_difference(old_names.begin(), old_names.end(), new_names.begin(), new_names.end(),
                      std::back_inserter(removed));
  std::set_difference(new_names.begin(), new_names.end(), old_names.begin(), old_names.end(),
                      std::back_inserter(added));
  const auto append = [&](const std::string& part) { text += (text.empty() ? "" : "; ") + part; };
  if (!removed.empty()) append("removed: " + examples(removed));
  if (!added.empty()) append("new: " + examples(added));
  if (removed.empty() && added.empty()) append("the same names in another order");
  return text;
}

SharedNames shared_names(std::span<const std::string> names) {
  const auto all = sorted(names);
  SharedNames shared;
  for (std::size_t i = 1; i < all.size(); ++i) {
    const bool second = all[i] == all[i - 1] && (i == 1 || all[i - 2] != all[i]);
    if (!second) continue;
    if (shared.count++ == 0) shared.example = all[i];
  }
  return shared;
}

}  // namespace qcface::train
