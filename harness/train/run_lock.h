// One writer a run folder: a lock on <run>/lock. The kernel holds it and lets it go when the process ends, however it
// ends; over NFS the server does (open file description locks, fcntl(2)). The file's text only says who holds it.
#pragma once

#include <filesystem>
#include <utility>

namespace qcface::train {

class RunLock {
 public:
  /// Makes the folder and takes its lock. Throws Error: the folder cannot be made or written; another process holds the
  /// lock (naming its pid, host and start), in which case nothing is changed. Where the file system has no locks it warns
  /// and goes on.
  explicit RunLock(const std::filesystem::path& run);
  ~RunLock();
  RunLock(RunLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  RunLock& operator=(RunLock&&) = delete;

 private:
  int fd_ = -1;  // of <run>/lock; -1: no lock to be had
};

}  // namespace qcface::train
