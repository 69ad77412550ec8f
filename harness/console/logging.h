// Where log lines go: information to stdout, warnings and errors to stderr, all of it also to a run's
// log.txt.
#pragma once

#include <filesystem>

namespace qcface {

/// Console only; call once at the start.
void start_logging();
/// From here on lines carry the rank, unless it is 0, and what is no warning stays away.
void log_as_rank(int rank);
/// While it lives, warnings of a rank that is not 0 stay away too: for work on which every rank finds the same.
class OneRankWarns {
 public:
  OneRankWarns();
  ~OneRankWarns();
  OneRankWarns(const OneRankWarns&) = delete;
  OneRankWarns& operator=(const OneRankWarns&) = delete;

 private:
  bool silenced_;
};
/// Adds a file (appended to) until the end of the process. Throws Error naming it if it cannot be written.
void log_to_file(const std::filesystem::path& path);

}  // namespace qcface
