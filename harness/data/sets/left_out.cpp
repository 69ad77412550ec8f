#include "harness/data/sets/left_out.h"

#include <fmt/format.h>

#include <system_error>

namespace qcface::data {
namespace fs = std::filesystem;

void LeftOut::note(Kind kind, const fs::path& entry) {
  // What `qcface data align` puts beside its crops.
  if ((kind == kUnexpectedPlace || kind == kUnknownSuffix) && entry.stem() == "align" &&
      (entry.extension() == ".csv" || entry.extension() == ".json" || entry.extension() == ".journal"))
    return;
  Entry& noted = entries_[kind];
  if (noted.count++ == 0) noted.example = entry.string();
}

bool LeftOut::takes_file(const fs::directory_entry& entry) {
  // Answered from the folder's listing for all but links: no look at each of millions of files.
  std::error_code error;
  if (entry.is_regular_file(error)) return true;
  const fs::file_status status = fs::status(entry.path(), error);
  note(error || !fs::exists(status) ? kBrokenLink
       : fs::is_directory(status)   ? kUnexpectedPlace
                                    : kSpecialFile,
       entry.path());
  return false;
}

std::int64_t LeftOut::count() const {
  std::int64_t sum = 0;
  for (const Entry& entry : entries_) sum += entry.count;
  return sum;
}

std::string LeftOut::describe() const {
  static constexpr std::array<const char*, kKinds> kWhat = {
      "unknown suffix",
      "dot file",
      "unexpected place",
      "no regular file",
      "link that leads nowhere or to itself",
      "link to a folder that it lies in",
  };
  std::string text;
  for (std::size_t kind = 0; kind < entries_.size(); ++kind) {
    if (entries_[kind].count == 0) continue;
    text += fmt::format("{}{} {} (for example {})", text.empty() ? "" : ", ", kWhat[kind],
                        entries_[kind].count, entries_[kind].example);
  }
  return text;
}

}  // namespace qcface::data
