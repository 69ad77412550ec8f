// What training sees of other ranks. One process is the one-rank communicator, whose collectives leave the numbers as they
// are, so that code is written once for any number of ranks.
//
// Every rank makes the same calls in the same order, with arrays of the same type and size. The result has the same bits on
// every rank, and depends on the ranks' values and their number alone: a sum is taken in the order of the ranks, in the
// arrays' own type, ((v0 + v1) + v2) and so on. With R ranks it is therefore not the bits of another R.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>

namespace qcface {

/// Rows [first, first + count) of `total` are one rank's.
struct Share {
  std::int64_t first = 0, count = 0;
};
/// [rank * total / ranks, (rank + 1) * total / ranks): whole shares follow each other in the order of the ranks. The pictures
/// of a batch, the rows of gathered arrays and the classes of a head are all shared out like this. Shares may be empty.
inline Share share_of(std::int64_t total, int rank, int ranks) {
  const std::int64_t first = rank * total / ranks;
  return {first, (rank + 1) * total / ranks - first};
}

enum class Reduce {
  kSum,
  kMax,        // NaN if any is NaN
  kLogSumExp,  // log sum_r exp(v_r), kF64 only; -1e300 stands for the logarithm of 0 (qcf_log_sum_exp)
};

enum class ElementType { kF32, kF64, kI32, kI64, kBytes };  // kBytes: moved, never reduced
std::size_t bytes_of(ElementType type);

/// A borrowed row-major array [rows, width].
struct Array {
  void* data = nullptr;
  std::int64_t rows = 0, width = 1;
  ElementType type = ElementType::kF32;
  bool on_device =
      false;  // memory of this rank's device, used in the order of the call's stream; else the host's

  std::int64_t count() const { return rows * width; }
};

/// The Array at `data`. What a collective only reads may be const: the cast stays in here, and nothing writes through it.
template <class T>
Array array_of(T* data, std::int64_t rows, std::int64_t width = 1, bool on_device = false) {
  using Value = std::remove_const_t<T>;
  constexpr ElementType type = std::is_same_v<Value, float>          ? ElementType::kF32
                               : std::is_same_v<Value, double>       ? ElementType::kF64
                               : std::is_same_v<Value, std::int32_t> ? ElementType::kI32
                               : std::is_same_v<Value, std::int64_t> ? ElementType::kI64
                                                                     : ElementType::kBytes;
  static_assert(type != ElementType::kBytes || sizeof(Value) == 1, "an element that no collective knows");
  return {const_cast<Value*>(data), rows, width, type, on_device};
}

/// Collectives return when the result is there; of arrays on a device, when the work is enqueued on `stream` (its handle, as
/// qcf_context.stream; null: the default one). Errors: sizes or types that do not fit together, a reduction of kBytes; a rank
/// that is gone (ended, or stopped by an error), which is named; calls that differ between ranks.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Ranks on this machine, this one among them, and this one's number among those.
  virtual int local_size() const { return 1; }
  virtual int local_rank() const { return 0; }

  /// values = the reduction of all ranks' values, element by element.
  void all_reduce(const Array& values, Reduce reduce, void* stream = nullptr);
  /// out = all ranks' `in`, one below the other. `in` has the rows of this rank's share of out's, and may be their place in
  /// `out`; else the two do not overlap.
  void all_gather(const Array& in, const Array& out, void* stream = nullptr);
  /// out = this rank's share of the rows of the reduction of all ranks' `in`, which stays as it is. No overlap.
  void reduce_scatter(const Array& in, const Array& out, Reduce reduce, void* stream = nullptr);
  /// values = root's values.
  void broadcast(const Array& values, int root, void* stream = nullptr);
  /// Returns when every rank has called it.
  virtual void barrier() = 0;
  /// Throws the Error of a rank that was stopped by one, without waiting for anybody; wait_until() calls it.
  virtual void poll() = 0;
  /// Returns when done() says so, which is asked again and again: for work on a device that waits for other ranks' there. Polls
  /// meanwhile, and throws as a collective does where a rank is lost, or where it takes longer than one may. All ranks call it
  /// together, as a collective.
  virtual void wait_until(const std::function<bool()>& done);
  /// Whether collectives of arrays on a device only enqueue work, which may then be recorded with what is around it. False where
  /// the host takes part in them.
  virtual bool enqueues() const { return true; }
  /// What this rank has spent in its collectives so far, waiting for the other ranks included; barriers are not counted. Empty where
  /// they only enqueue work, for the time is then not the host's.
  virtual std::optional<double> seconds() const { return seconds_; }
  /// Counts time in which the caller has waited for another thread's collectives as time in its own.
  void count_waiting(double seconds) { seconds_ += seconds; }

  /// One more communicator of the same ranks, for another thread to use while this one is in use (one thread at a time may use
  /// one). All ranks call it together; this one must outlive it. Null, on every rank, where there is none to be had: one rank, a
  /// library that lets only one thread call it, arrays on devices.
  virtual std::unique_ptr<Communicator> another() { return nullptr; }
  /// For a rank that leaves by an error while its other thread is in a collective of this communicator: that call and all later
  /// ones end by an Error soon. Any thread may call it. The other ranks find this one gone as ever, when it has left.
  virtual void abandon() noexcept {}

 protected:
  /// The collectives, with arguments that were found right for this rank.
  virtual void do_all_reduce(const Array& values, Reduce reduce, void* stream) = 0;
  virtual void do_all_gather(const Array& in, const Array& out, void* stream) = 0;
  virtual void do_reduce_scatter(const Array& in, const Array& out, Reduce reduce, void* stream) = 0;
  virtual void do_broadcast(const Array& values, int root, void* stream) = 0;

 private:
  double seconds_ = 0;
};

/// "sum"; "f32".
const char* name_of(Reduce reduce);
const char* name_of(ElementType type);

/// The communicator of a single process.
std::unique_ptr<Communicator> make_single_communicator();

}  // namespace qcface
