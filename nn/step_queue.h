// How steps get to a backend and their results back. A backend whose work runs while the host goes on keeps several steps
// under way, each with memory of its own for what the host writes and reads; one that computes at once keeps none.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace qcface {
class Communicator;
}

namespace qcface::nn {

class StepQueue {
 public:
  virtual ~StepQueue() = default;
  /// Steps that may be started before the oldest has been waited for; 1: each is finished when run() returns.
  virtual int depth() const = 0;
  /// Host memory for what the next step reads, to be filled before run().
  virtual std::byte* inputs() = 0;
  /// Starts a step: sends the first `bytes` of inputs(), has `enqueue` called with their place in the backend's memory, and
  /// the results fetched after it. Steps of one `kind` enqueue the same work at the same addresses, wherefore it may be
  /// recorded and replayed. At most depth() steps are under way.
  using Enqueue = std::function<void(const std::byte* inputs)>;
  virtual void run(std::size_t bytes, int kind, const Enqueue& enqueue) = 0;
  /// Waits for the oldest step under way: its inputs and results in host memory, valid until the next run(). Several `ranks` wait
  /// as Communicator::wait_until does, so that one that is lost in a step does not leave the others waiting.
  struct Finished {
    const std::byte* inputs;
    const std::byte* results;
  };
  virtual Finished wait(Communicator& ranks) = 0;
  /// What was recorded holds no longer: addresses or work have changed. Nothing may be under way.
  virtual void forget() {}
};

/// For backends that compute in host memory before they return. `results` is where `enqueue` leaves them; borrowed.
std::unique_ptr<StepQueue> make_immediate_queue(std::size_t input_bytes, const void* results);

}  // namespace qcface::nn
