#include "tests/support/thread_ranks.h"

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "core/comm/call.h"
#include "core/comm/reduction.h"
#include "core/error.h"

namespace qcface {
namespace {

/// One rank's call. `in` and `out` are the same array where a collective works in place.
struct Call {
  CollectiveCall what;
  Array in, out;
};

std::byte* at_row(const Array& array, std::int64_t row) {
  return static_cast<std::byte*>(array.data) +
         static_cast<std::size_t>(row * array.width) * bytes_of(array.type);
}

std::size_t bytes(const Array& array) {
  return static_cast<std::size_t>(array.count()) * bytes_of(array.type);
}

void copy(void* to, const void* from, std::size_t count) {
  if (to != from && count != 0) std::memcpy(to, from, count);
}

/// The reduction of all `in`, in the order of the ranks.
std::vector<std::byte> reduced(const std::vector<Call>& calls) {
  const Call& first = calls.front();
  std::vector<const void*> parts;
  for (const Call& call : calls) parts.push_back(call.in.data);
  std::vector<std::byte> result(bytes(first.in));
  reduce_in_order(parts, first.in.count(), first.in.type, first.what.reduce, result.data());
  return result;
}

/// The collective, when every rank has called it.
void perform(const std::vector<Call>& calls) {
  const Call& first = calls.front();
  const int ranks = static_cast<int>(calls.size());
  switch (first.what.kind) {
    case CallKind::kAllReduce: {
      const std::vector<std::byte> result = reduced(calls);
      for (const Call& call : calls) copy(call.out.data, result.data(), result.size());
      break;
    }
    case CallKind::kReduceScatter: {
      const std::vector<std::byte> result = reduced(calls);
      const std::size_t row = static_cast<std::size_t>(first.in.width) * bytes_of(first.in.type);
      for (int r = 0; r < ranks; ++r) {
        const Share share = share_of(first.in.rows, r, ranks);
        copy(calls[static_cast<std::size_t>(r)].out.data,
             result.data() + static_cast<std::size_t>(share.first) * row,
             static_cast<std::size_t>(share.count) * row);
      }
      break;
    }
    case CallKind::kAllGather:
      for (int r = 0; r < ranks; ++r) {
        const Array& in = calls[static_cast<std::size_t>(r)].in;
        for (const Call& call : calls)
          copy(at_row(call.out, share_of(call.out.rows, r, ranks).first), in.data, bytes(in));
      }
      break;
    case CallKind::kBroadcast: {
      const Array& root = calls[static_cast<std::size_t>(first.what.root)].in;
      for (const Call& call : calls) copy(call.out.data, root.data, bytes(root));
      break;
    }
    case CallKind::kBarrier:
    case CallKind::kWait:  // each rank waits alone
      break;
  }
}

/// Where the ranks meet.
class Meeting {
 public:
  explicit Meeting(int ranks)
      : calls_(static_cast<std::size_t>(ranks)), abandoned_(static_cast<std::size_t>(ranks)) {}
  int ranks() const { return static_cast<int>(calls_.size()); }

  void meet(int rank, const Call& call) {
    std::unique_lock lock(mutex_);
    const auto r = static_cast<std::size_t>(rank);
    if (first_gone_ >= 0) fail_gone(rank, name_of(call.what.kind));
    if (abandoned_[r]) fail_abandoned(rank, name_of(call.what.kind));
    calls_[r] = call;
    if (++arrived_ < ranks()) {
      const std::uint64_t mine = held_;
      changed_.wait(lock, [&] { return held_ != mine || first_gone_ >= 0 || abandoned_[r]; });
      if (held_ == mine && first_gone_ >= 0) fail_gone(rank, name_of(call.what.kind));
      if (held_ == mine) {
        --arrived_;  // its arrays may be gone soon
        fail_abandoned(rank, name_of(call.what.kind));
      }
    } else {
      arrived_ = 0;
      found_ = difference();
      if (found_.empty()) perform(calls_);
      ++held_;
      changed_.notify_all();
    }
    // Stays what it is until this rank comes to the next meeting.
    if (!found_.empty()) throw Error(found_);
  }

  /// After this no meeting is held again. `reason` is empty where the rank's work came to its end, which is no fault as long
  /// as nobody waits for it.
  void leave(int rank, const std::string& reason) {
    {
      const std::lock_guard lock(mutex_);
      if (first_gone_ < 0 || (reason_.empty() && !reason.empty())) {
        first_gone_ = rank;
        reason_ = reason;
      }
    }
    changed_.notify_all();
  }

  void abandon(int rank) {
    {
      const std::lock_guard lock(mutex_);
      abandoned_[static_cast<std::size_t>(rank)] = true;
    }
    changed_.notify_all();
  }

  void poll(int rank) {
    const std::lock_guard lock(mutex_);
    if (!reason_.empty()) fail_gone(rank, "poll");
  }

  int first_gone() const { return first_gone_; }  // when all have left

 private:
  [[noreturn]] void fail_gone(int rank, const char* call) {
    if (reason_.empty()) reason_ = "its work had ended";
    fail("{} at rank {} of {}: rank {} is gone ({})", call, rank, ranks(), first_gone_, reason_);
  }

  [[noreturn]] void fail_abandoned(int rank, const char* call) const {
    fail("{} at rank {} of {}: it leaves by an error of another thread", call, rank, ranks());
  }

  std::string difference() const {
    for (std::size_t r = 1; r < calls_.size(); ++r) {
      if (calls_[r].what != calls_.front().what)
        return describe_difference(calls_.front().what, static_cast<int>(r), calls_[r].what);
    }
    return {};
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Call> calls_;      // of the meeting under way, by rank
  std::vector<bool> abandoned_;  // by rank
  int arrived_ = 0;
  std::uint64_t held_ = 0;  // meetings
  std::string found_;       // what was wrong with the last one
  int first_gone_ = -1;     // by a fault, if there was one
  std::string reason_;      // of that fault
};

/// Where the ranks meet, a place for each of their communicators.
class Meetings {
 public:
  explicit Meetings(int ranks) : ranks_(ranks) {}
  Meeting& at(std::size_t number) {
    const std::lock_guard lock(mutex_);
    while (meetings_.size() <= number) {
      meetings_.push_back(std::make_unique<Meeting>(ranks_));
      for (const auto& [rank, reason] : gone_) meetings_.back()->leave(rank, reason);
    }
    return *meetings_[number];
  }
  void leave(int rank, const std::string& reason) {
    const std::lock_guard lock(mutex_);
    gone_.emplace_back(rank, reason);
    for (const auto& meeting : meetings_) meeting->leave(rank, reason);
  }

 private:
  const int ranks_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Meeting>> meetings_;
  std::vector<std::pair<int, std::string>> gone_;
};

class ThreadRank final : public Communicator {
 public:
  /// `made`: how many communicators the rank has; its own thread counts them.
  ThreadRank(Meetings& meetings, int rank, std::shared_ptr<std::size_t> made)
      : meetings_(meetings), meeting_(meetings.at((*made)++)), rank_(rank), made_(std::move(made)) {}
  int rank() const override { return rank_; }
  int size() const override { return meeting_.ranks(); }
  void barrier() override { meeting_.meet(rank_, {}); }
  void poll() override { meeting_.poll(rank_); }
  std::unique_ptr<Communicator> another() override {
    if (size() == 1) return nullptr;
    return std::make_unique<ThreadRank>(meetings_, rank_, made_);
  }
  void abandon() noexcept override { meeting_.abandon(rank_); }

 protected:
  void do_all_reduce(const Array& values, Reduce reduce, void*) override {
    meet({make_call(CallKind::kAllReduce, values, reduce), values, values});
  }
  void do_all_gather(const Array& in, const Array& out, void*) override {
    meet({make_call(CallKind::kAllGather, out), in, out});
  }
  void do_reduce_scatter(const Array& in, const Array& out, Reduce reduce, void*) override {
    meet({make_call(CallKind::kReduceScatter, in, reduce), in, out});
  }
  void do_broadcast(const Array& values, int root, void*) override {
    meet({make_call(CallKind::kBroadcast, values, Reduce::kSum, root), values, values});
  }

 private:
  void meet(const Call& call) {
    require(!call.in.on_device, "{}: ranks that are threads share host memory, this array is on a device",
            name_of(call.what.kind));
    meeting_.meet(rank_, call);
  }

  Meetings& meetings_;
  Meeting& meeting_;
  int rank_;
  std::shared_ptr<std::size_t> made_;
};

}  // namespace

void run_ranks(int ranks, const std::function<void(Communicator&)>& work) {
  require(ranks >= 1, "{} ranks: expected at least 1", ranks);
  Meetings meetings(ranks);
  Meeting& meeting = meetings.at(0);
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(ranks));
  const auto run = [&](int rank) {
    std::string reason;
    try {
      ThreadRank communicator(meetings, rank, std::make_shared<std::size_t>(0));
      work(communicator);
    } catch (const std::exception& error) {
      errors[static_cast<std::size_t>(rank)] = std::current_exception();
      reason = error.what();
      if (reason.empty()) reason = "an error without a text";
    } catch (...) {
      errors[static_cast<std::size_t>(rank)] = std::current_exception();
      reason = "an error of unknown kind";
    }
    meetings.leave(rank, reason);
  };
  std::vector<std::thread> threads;
  int started = 0;
  try {
    threads.reserve(static_cast<std::size_t>(ranks));
    for (; started < ranks; ++started) threads.emplace_back(run, started);
  } catch (const std::system_error& error) {
    errors[static_cast<std::size_t>(started)] = std::current_exception();
    meetings.leave(started,
                   fmt::format("the system lets {} of {} threads start: {}", started, ranks, error.what()));
  }
  for (std::thread& thread : threads) thread.join();
  const std::exception_ptr first = errors[static_cast<std::size_t>(meeting.first_gone())];
  if (first) std::rethrow_exception(first);
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace qcface
