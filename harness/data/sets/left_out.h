// What a scan of folders finds and does not take, counted by kind, so that nothing is left out without a word.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>

namespace qcface::data {

class LeftOut {
 public:
  enum Kind { kUnknownSuffix, kDotFile, kUnexpectedPlace, kSpecialFile, kBrokenLink, kLinkLoop, kKinds };

  void note(Kind kind, const std::filesystem::path& entry);
  /// A file whose name is no reason to leave it out; notes what it is when it is no regular file. False: left out.
  bool takes_file(const std::filesystem::directory_entry& entry);
  std::int64_t count() const;
  /// "unknown suffix 5 (for example photos/a.heic), no regular file 1 (for example photos/pipe.jpg)".
  std::string describe() const;

 private:
  struct Entry {
    std::int64_t count = 0;
    std::string example;
  };
  std::array<Entry, kKinds> entries_;
};

}  // namespace qcface::data
