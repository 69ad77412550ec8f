// Which plan won for a pass of a shape, kept in a file, so that a GPU is timed once and later runs give the same bits.
//
// One line an entry, key and plan separated by a tab, under a first line that names the format. A file that is damaged or
// of another format is told in one line, ignored and written anew. Several processes may share a file: it is read again
// under a lock before it is replaced, and the first choice written for a key stays. A folder that cannot be written
// costs one line and nothing else.
#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace qcface::nn::cuda {

class PlanCache {
 public:
  /// Reads the file if there is one. An empty path: nothing is read or kept.
  explicit PlanCache(std::filesystem::path file);

  bool enabled() const { return !file_.empty(); }
  /// Empty if nothing is known.
  std::string find(const std::string& key) const;
  /// Adds an entry and writes the file. Keys and plans hold no tab and no line end. Gives what the file now holds: the
  /// plan of another process if that came first.
  std::string keep(const std::string& key, const std::string& plan);

 private:
  std::map<std::string, std::string> read();
  void complain(const std::string& message);

  std::filesystem::path file_;
  std::map<std::string, std::string> entries_;
  bool complained_ = false;
};

/// $QCFACE_PLAN_CACHE/convolutions.txt (the variable names a folder; "off": empty path), else qcface/convolutions.txt in
/// $XDG_CACHE_HOME or ~/.cache; empty where none of these is set.
std::filesystem::path plan_cache_file();

}  // namespace qcface::nn::cuda
