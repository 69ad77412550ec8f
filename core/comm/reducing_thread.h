// Sums over the ranks that are taken by a thread of its own, while the caller computes. The caller's collectives meanwhile go over
// its own communicator.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include "core/comm/communicator.h"

namespace qcface {

class ReducingThread {
 public:
  /// `own`: from Communicator::another(); the thread's from here on. Throws Error where the system starts no further thread.
  explicit ReducingThread(std::unique_ptr<Communicator> own);
  /// Where sums are still to be taken, the caller leaves by an error: they are given up (Communicator::abandon).
  ~ReducingThread();
  ReducingThread(const ReducingThread&) = delete;
  ReducingThread& operator=(const ReducingThread&) = delete;

  /// values = the sum of all ranks' values, taken after those that were started before; nobody may touch them until finish().
  /// Throws the Error of an earlier one.
  void start(const Array& values);
  /// Returns when all that were started are there. Throws the Error of the first that failed, after which none is taken any more.
  void finish();
  /// Throws that Error, if there is one already: it came before what the caller has met with since.
  void rethrow();

 private:
  void run();

  const std::unique_ptr<Communicator> communicator_;
  std::mutex mutex_;  // what follows
  std::condition_variable changed_;
  std::deque<Array> waiting_;  // the first is under way
  std::exception_ptr error_;
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace qcface
