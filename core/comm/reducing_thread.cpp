#include "core/comm/reducing_thread.h"

#include <system_error>
#include <utility>

#include "core/error.h"

namespace qcface {

ReducingThread::ReducingThread(std::unique_ptr<Communicator> own) : communicator_(std::move(own)) {
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    fail("rank {} of {}: the system starts no further thread, for sums over the ranks: {}",
         communicator_->rank(), communicator_->size(), error.what());
  }
}

ReducingThread::~ReducingThread() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
    if (!waiting_.empty()) communicator_->abandon();
  }
  changed_.notify_all();
  thread_.join();
}

void ReducingThread::start(const Array& values) {
  {
    const std::lock_guard lock(mutex_);
    if (error_) std::rethrow_exception(error_);
    waiting_.push_back(values);
  }
  changed_.notify_all();
}

void ReducingThread::finish() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return waiting_.empty(); });
  if (error_) std::rethrow_exception(error_);
}

void ReducingThread::rethrow() {
  const std::lock_guard lock(mutex_);
  if (error_) std::rethrow_exception(error_);
}

void ReducingThread::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ends_ || !waiting_.empty(); });
    if (ends_) return;
    const Array values = waiting_.front();
    lock.unlock();
    std::exception_ptr error;
    try {
      communicator_->all_reduce(values, Reduce::kSum);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    if (error) {
      error_ = error;
      waiting_.clear();
    } else {
      waiting_.pop_front();
    }
    changed_.notify_all();
  }
}

}  // namespace qcface
