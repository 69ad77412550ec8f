#include "harness/data/left_out.h"

#include <fmt/format.h>

#include <system_error>

namespace qcface::data {
namespace fs = std::filesystem;

void LeftOut::note(Kind kind, const fs::path& entry) {
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
      "with an unknown suffix",
      "dot files",
      "in a place where they are not expected",
      "named pipes, sockets or devices",
      "links that lead nowhere or to themselves",
      "links to a folder that they lie in",
  };
  std::string text;
  for (std::size_t kind = 0; kind < entries_.size(); ++kind) {
    if (entries_[kind].count == 0) continue;
    text += fmt::format("{}{} {} (for example {})", text.empty() ? "" : ", ", entries_[kind].count,
                        kWhat[kind], entries_[kind].example);
  }
  return text;
}

}  // namespace qcface::data
