#include "harness/train/class_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/text.h"

namespace qcface::train {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kExamples = 3;
constexpr std::size_t kBlock = std::size_t{1} << 20;
constexpr std::int64_t kSizedPictures = 1000, kSizedAtOnce = 50;

fs::path list_path(const fs::path& run) { return run / "classes.txt"; }

std::string line_of(std::string_view name) {
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

// Counts names and keeps the first in the order of bytes.
class Examples {
 public:
  void add(std::string_view name) {
    ++count_;
    if (first_.size() == kExamples && name >= first_.back()) return;
    first_.insert(std::upper_bound(first_.begin(), first_.end(), name), std::string(name));
    if (first_.size() > kExamples) first_.pop_back();
  }
  bool empty() const { return count_ == 0; }
  std::string text() const {
    std::string text;
    for (const std::string& name : first_) text += (text.empty() ? "" : ", ") + printable(name, 200);
    if (count_ > kExamples) text += fmt::format(" and {} more", count_ - kExamples);
    return text;
  }

 private:
  std::size_t count_ = 0;
  std::vector<std::string> first_;
};

}  // namespace

std::string class_list_hash(const data::ClassNames& names) {
  Fnv1a hash;
  names.for_each([&hash](std::string_view name) {
    hash.add(name);
    hash.add('\0');  // no name holds it
  });
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
    if (k % kSizedAtOnce == 0) set.give_back_pages();
  }
  return hash.hex();
}

void write_class_list(const fs::path& run, const data::ClassNames& names) {
  AtomicFile file(list_path(run));
  std::string block;
  names.for_each([&](std::string_view name) {
    block += line_of(name) + '\n';
    if (block.size() < kBlock) return;
    file.write(block);
    block.clear();
  });
  file.write(block);
  file.commit();
}

std::optional<data::ClassNames> read_class_list(const fs::path& run, const std::string& hash) {
  data::ClassNames names;
  std::string line;  // as far as the blocks before had it
  try {
    read_file(list_path(run), [&](std::string_view block) {
      for (std::size_t end; (end = block.find('\n')) != std::string_view::npos;
           block.remove_prefix(end + 1)) {
        line += block.substr(0, end);
        names.push_back(name_of_line(line));
        line.clear();
      }
      line += block;
    });
  } catch (const Error&) {
    return std::nullopt;
  }
  if (!line.empty()) names.push_back(name_of_line(line));
  if (class_list_hash(names) != hash) return std::nullopt;
  return names;
}

std::string describe_class_change(const data::ClassNames& before, const data::ClassNames& now) {
  std::string text;
  const std::size_t both = std::min(before.size(), now.size());
  std::size_t label = 0;
  before.for_each(
      [&](std::string_view name) {
        const std::size_t i = label++;
        if (!text.empty() || now[i] == name) return;
        text = fmt::format("class {} was {}, is {}", i, printable(name, 200), printable(now[i], 200));
      },
      0, both);
  // How often each name of now has not been met before, at the first label that has it.
  data::ClassIndex index(now);
  std::vector<std::int32_t> left(now.size(), 0);
  for (std::size_t i = 0; i < now.size(); ++i)
    ++left[static_cast<std::size_t>(index.add(static_cast<std::int64_t>(i)))];
  Examples removed, added;
  before.for_each([&](std::string_view name) {
    const std::int64_t first = index.find(name);
    if (first < 0 || left[static_cast<std::size_t>(first)] == 0) {
      removed.add(name);
    } else {
      --left[static_cast<std::size_t>(first)];
    }
  });
  for (std::size_t i = 0; i < now.size(); ++i) {
    for (; left[i] > 0; --left[i]) added.add(now[i]);
  }
  const auto append = [&](const std::string& part) { text += (text.empty() ? "" : "; ") + part; };
  if (!removed.empty()) append("removed: " + removed.text());
  if (!added.empty()) append("new: " + added.text());
  if (removed.empty() && added.empty()) append("the same names in another order");
  return text;
}

SharedNames shared_names(const data::ClassNames& names, std::span<const LabelRange> labels) {
  data::ClassIndex index(names);
  std::vector<bool> counted(names.size());  // by the first label with the name
  SharedNames shared;
  for (const LabelRange& range : labels) {
    for (std::int64_t label = range.first; label < range.end; ++label) {
      const std::int64_t first = index.add(label);
      if (first == label || counted[static_cast<std::size_t>(first)]) continue;
      counted[static_cast<std::size_t>(first)] = true;
      std::string name = names[static_cast<std::size_t>(label)];
      if (shared.count++ == 0 || name < shared.example) shared.example = std::move(name);
    }
  }
  return shared;
}

}  // namespace qcface::train
