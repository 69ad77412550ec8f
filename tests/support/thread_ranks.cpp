#include "tests/support/thread_ranks.h"

#include <qcface/kernels.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <vector>

#include "core/error.h"

namespace qcface {
namespace {

enum class Kind { kAllReduce, kAllGather, kReduceScatter, kBroadcast, kBarrier };

/// One rank's call. `in` and `out` are the same array where a collective works in place.
struct Call {
  Kind kind = Kind::kBarrier;
  Array in, out;
  Reduce reduce = Reduce::kSum;
  int root = 0;
};

const char* name_of(Kind kind) {
  switch (kind) {
    case Kind::kAllReduce:
      return "all_reduce";
    case Kind::kAllGather:
      return "all_gather";
    case Kind::kReduceScatter:
      return "reduce_scatter";
    case Kind::kBroadcast:
      return "broadcast";
    case Kind::kBarrier:
      break;
  }
  return "barrier";
}

/// What has to be the same on every rank, as the Error about a difference says it.
std::string describe(const Call& call) {
  if (call.kind == Kind::kBarrier) return name_of(call.kind);
  std::string how;
  if (call.kind == Kind::kAllReduce || call.kind == Kind::kReduceScatter)
    how = fmt::format(" ({})", name_of(call.reduce));
  if (call.kind == Kind::kBroadcast) how = fmt::format(" from rank {}", call.root);
  const Array& whole = call.kind == Kind::kAllGather ? call.out : call.in;
  return fmt::format("{}{} of [{}, {}] {}", name_of(call.kind), how, whole.rows, whole.width,
                     name_of(whole.type));
}

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

template <class T>
T larger(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(a) || std::isnan(b)) return a + b;
  }
  return std::max(a, b);
}

template <class T>
void reduce_values(const std::vector<Call>& calls, Reduce reduce, std::vector<std::byte>& result) {
  const auto count = static_cast<std::size_t>(calls.front().in.count());
  result.resize(count * sizeof(T));
  T* const out = reinterpret_cast<T*>(result.data());
  copy(out, calls.front().in.data, count * sizeof(T));
  for (std::size_t r = 1; r < calls.size(); ++r) {
    const T* const values = static_cast<const T*>(calls[r].in.data);
    for (std::size_t i = 0; i < count; ++i)
      out[i] = reduce == Reduce::kSum ? out[i] + values[i] : larger(out[i], values[i]);
  }
}

/// The reduction of all `in`, in the order of the ranks.
std::vector<std::byte> reduced(const std::vector<Call>& calls) {
  const Call& first = calls.front();
  std::vector<std::byte> result;
  if (first.reduce == Reduce::kLogSumExp) {
    const auto count = static_cast<std::size_t>(first.in.count());
    std::vector<double> parts(calls.size() * count);
    for (std::size_t r = 0; r < calls.size(); ++r)
      copy(parts.data() + r * count, calls[r].in.data, bytes(first.in));
    result.resize(bytes(first.in));
    qcf_log_sum_exp(parts.data(), static_cast<std::int64_t>(calls.size()), first.in.count(),
                    reinterpret_cast<double*>(result.data()));
    return result;
  }
  switch (first.in.type) {
    case ElementType::kF32:
      reduce_values<float>(calls, first.reduce, result);
      break;
    case ElementType::kF64:
      reduce_values<double>(calls, first.reduce, result);
      break;
    case ElementType::kI32:
      reduce_values<std::int32_t>(calls, first.reduce, result);
      break;
    case ElementType::kI64:
      reduce_values<std::int64_t>(calls, first.reduce, result);
      break;
    case ElementType::kBytes:
      break;  // refused before
  }
  return result;
}

/// The collective, when every rank has called it.
void perform(const std::vector<Call>& calls) {
  const Call& first = calls.front();
  const int ranks = static_cast<int>(calls.size());
  switch (first.kind) {
    case Kind::kAllReduce: {
      const std::vector<std::byte> result = reduced(calls);
      for (const Call& call : calls) copy(call.out.data, result.data(), result.size());
      break;
    }
    case Kind::kReduceScatter: {
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
    case Kind::kAllGather:
      for (int r = 0; r < ranks; ++r) {
        const Array& in = calls[static_cast<std::size_t>(r)].in;
        for (const Call& call : calls)
          copy(at_row(call.out, share_of(call.out.rows, r, ranks).first), in.data, bytes(in));
      }
      break;
    case Kind::kBroadcast: {
      const Array& root = calls[static_cast<std::size_t>(first.root)].in;
      for (const Call& call : calls) copy(call.out.data, root.data, bytes(root));
      break;
    }
    case Kind::kBarrier:
      break;
  }
}

/// Where the ranks meet.
class Meeting {
 public:
  explicit Meeting(int ranks) : calls_(static_cast<std::size_t>(ranks)) {}
  int ranks() const { return static_cast<int>(calls_.size()); }

  void meet(int rank, const Call& call) {
    std::unique_lock lock(mutex_);
    if (first_gone_ >= 0) fail_gone(rank, name_of(call.kind));
    calls_[static_cast<std::size_t>(rank)] = call;
    if (++arrived_ < ranks()) {
      const std::uint64_t mine = held_;
      changed_.wait(lock, [&] { return held_ != mine || first_gone_ >= 0; });
      if (held_ == mine) fail_gone(rank, name_of(call.kind));
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

  std::string difference() const {
    const std::string first = describe(calls_.front());
    for (std::size_t r = 1; r < calls_.size(); ++r) {
      const std::string other = describe(calls_[r]);
      if (other != first)
        return fmt::format(
            "rank 0 calls {}, rank {} {}: every rank has to make the same calls in the same order", first, r,
            other);
    }
    return {};
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Call> calls_;  // of the meeting under way, by rank
  int arrived_ = 0;
  std::uint64_t held_ = 0;  // meetings
  std::string found_;       // what was wrong with the last one
  int first_gone_ = -1;     // by a fault, if there was one
  std::string reason_;      // of that fault
};

class ThreadRank final : public Communicator {
 public:
  ThreadRank(Meeting& meeting, int rank) : meeting_(meeting), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return meeting_.ranks(); }
  void barrier() override { meeting_.meet(rank_, {}); }
  void poll() override { meeting_.poll(rank_); }

 protected:
  void do_all_reduce(const Array& values, Reduce reduce, void*) override {
    meet({Kind::kAllReduce, values, values, reduce, 0});
  }
  void do_all_gather(const Array& in, const Array& out, void*) override {
    meet({Kind::kAllGather, in, out, Reduce::kSum, 0});
  }
  void do_reduce_scatter(const Array& in, const Array& out, Reduce reduce, void*) override {
    meet({Kind::kReduceScatter, in, out, reduce, 0});
  }
  void do_broadcast(const Array& values, int root, void*) override {
    meet({Kind::kBroadcast, values, values, Reduce::kSum, root});
  }

 private:
  void meet(const Call& call) {
    require(!call.in.on_device, "{}: ranks that are threads share host memory, this array is on a device",
            name_of(call.kind));
    meeting_.meet(rank_, call);
  }

  Meeting& meeting_;
  int rank_;
};

}  // namespace

void run_ranks(int ranks, const std::function<void(Communicator&)>& work) {
  require(ranks >= 1, "{} ranks: expected at least 1", ranks);
  Meeting meeting(ranks);
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(ranks));
  const auto run = [&](int rank) {
    std::string reason;
    try {
      ThreadRank communicator(meeting, rank);
      work(communicator);
    } catch (const std::exception& error) {
      errors[static_cast<std::size_t>(rank)] = std::current_exception();
      reason = error.what();
      if (reason.empty()) reason = "an error without a text";
    } catch (...) {
      errors[static_cast<std::size_t>(rank)] = std::current_exception();
      reason = "an error of unknown kind";
    }
    meeting.leave(rank, reason);
  };
  std::vector<std::thread> threads;
  int started = 0;
  try {
    threads.reserve(static_cast<std::size_t>(ranks));
    for (; started < ranks; ++started) threads.emplace_back(run, started);
  } catch (const std::system_error& error) {
    errors[static_cast<std::size_t>(started)] = std::current_exception();
    meeting.leave(started,
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
