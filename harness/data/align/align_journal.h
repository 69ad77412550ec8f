// Which crops of an alignment are whole, so that it goes on after a stop of any kind.
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>

namespace qcface::data {

struct PictureSize {
  int width = 0, height = 0;
};

class AlignJournal {
 public:
  /// Takes up <out>/align.journal or begins it. `options`: one line that says how crops are made. Throws Error: made with
  /// others, in use by another process, or the folder holds other things.
  AlignJournal(const std::filesystem::path& out, const std::string& options);
  ~AlignJournal();
  AlignJournal(const AlignJournal&) = delete;
  AlignJournal& operator=(const AlignJournal&) = delete;

  /// The size of the crop's picture, if the crop is there as it was written, of this source: a text without blanks. From any
  /// thread.
  std::optional<PictureSize> find(const std::string& crop, const std::string& source) const;
  /// Notes a crop that is in place. From any thread.
  void add(const std::string& crop, const std::string& source, PictureSize size,
           std::span<const std::uint8_t> file);
  /// Everything below the folder is on the disk when it returns.
  void sync() const;

 private:
  std::filesystem::path out_, path_;
  std::unordered_map<std::string, std::string> lines_;  // of each crop, without its name
  std::mutex mutex_;
  int fd_ = -1;
};

}  // namespace qcface::data
