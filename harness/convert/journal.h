// How far long work is, so that the same call goes on after a stop of any kind: a text that says what work it is, then
// blocks, each with its length and checksum. A block that was cut short counts as not there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace qcface::convert {

class Journal {
 public:
  /// Makes the file, or takes up the one that is there. `work` is a flat object: what must be the same for the work to go
  /// on. `others`: files that belong to it, named where the user is told how to start over. Throws Error: another work's
  /// (naming what differs), in use by another process, no journal.
  Journal(std::filesystem::path path, const nlohmann::ordered_json& work,
          const std::vector<std::filesystem::path>& others);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// Of the stopped call; empty in a new one.
  const std::vector<std::string>& blocks() const { return blocks_; }
  /// On disk when it returns. Throws Error with the system's reason; what was there before stays good.
  void append(std::string_view block);
  /// The work is done.
  void remove();
  const std::filesystem::path& path() const { return path_; }

 private:
  void create(const std::string& head);
  void take_up(const nlohmann::ordered_json& work, const std::vector<std::filesystem::path>& others);

  std::filesystem::path path_;
  int fd_ = -1;
  std::uint64_t end_ = 0;  // of the last whole block
  std::vector<std::string> blocks_;
};

/// For `work`: a place's name, with its size and time of change where it is a file, in UTF-8.
std::string describe_place(const std::filesystem::path& place);

}  // namespace qcface::convert
