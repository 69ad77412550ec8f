// MPI as this process has it open: one a process, shared by its communicators.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/comm/mpi.h"
#include "core/comm/mpi_api.h"
#include "core/comm/mpi_watch.h"

namespace qcface {

/// Ends the process with `message` unless it is destroyed within `seconds`: for calls of MPI that wait for other ranks and
/// cannot be given a limit.
class ExitAfter {
 public:
  ExitAfter(double seconds, std::string message);
  ~ExitAfter();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
  std::thread thread_;
};

struct MpiSession {
  int rank = 0, size = 1, local_rank = 0, local_size = 1;
  std::vector<std::string> hosts;  // by rank
  double silence_s = 0, timeout_s = 0;
  std::unique_ptr<MpiWatch> watch;  // null: one rank, not asked for, or MPI lets only one thread call it
  bool threads = false;             // several may call MPI at the same time, on every rank
  int made = 0, open = 0;           // communicators

  /// A wait has failed, in whatever thread: MPI cannot be closed any more. The first reason stays.
  void break_off(const std::string& reason);
  bool broken() const { return broken_; }
  std::string broken_by() const;

 private:
  std::atomic<bool> broken_{false};
  mutable std::mutex mutex_;
  std::string reason_;
};

/// The session, opened where it is not, with a communicator of the caller's own.
MpiSession& open_mpi(const MpiOptions& options, MPI_Comm* own);
/// The caller's communicator is done with. Closes MPI behind the last one.
void close_mpi(MpiSession& session);

/// Whether MPI is open: what end_all_ranks() asks.
bool mpi_is_open() noexcept;
void set_mpi_open(bool open) noexcept;

}  // namespace qcface
