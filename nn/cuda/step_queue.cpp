// Two slots take turns, so that one batch travels while the other is computed on: the host fills page-locked memory, which
// is copied to the device on a stream of its own; the step is enqueued as one CUDA graph; its results are read when the next
// step is already on its way.
#include "nn/cuda/step_queue.h"

#include <array>
#include <map>

#include "nn/cuda/step_graph.h"
#include "nn/cuda/step_memory.h"

namespace qcface::nn::cuda {
namespace {

constexpr std::size_t kSlots = 2;

class CudaStepQueue final : public StepQueue {
 public:
  CudaStepQueue(const CudaBackend& backend, std::size_t input_bytes, const void* results,
                std::size_t result_bytes, bool recorded)
      : backend_(backend), results_(results), result_bytes_(result_bytes), recorded_(recorded) {
    for (Slot& slot : slots_) {
      slot.inputs = PinnedMemory(input_bytes);
      slot.results = PinnedMemory(result_bytes);
      slot.device = backend.allocate(input_bytes, "batch");
    }
    check_cuda(cudaStreamCreateWithFlags(&copy_stream_, cudaStreamNonBlocking), "CUDA stream");
    backend.synchronize();  // fresh memory is cleared on the other stream
  }
  ~CudaStepQueue() override {
    cudaStreamSynchronize(copy_stream_);
    cudaStreamSynchronize(backend_.stream());
    cudaStreamDestroy(copy_stream_);
  }

  int depth() const override { return kSlots; }
  std::byte* inputs() override { return slots_[next_].inputs.as<std::byte>(); }

  void run(std::size_t bytes, int kind, const Enqueue& enqueue) override {
    Slot& slot = slots_[next_];
    const cudaStream_t stream = backend_.stream();
    backend_.make_current();
    slot.done.hold(copy_stream_);  // the step that used this slot's device memory last
    check_cuda(cudaMemcpyAsync(slot.device.data(), slot.inputs.as<void>(), bytes, cudaMemcpyHostToDevice,
                               copy_stream_),
               "transfer of a batch");
    slot.sent.record(copy_stream_);
    slot.sent.hold(stream);
    const auto work = [&] {
      enqueue(slot.device.data());
      check_cuda(
          cudaMemcpyAsync(slot.results.as<void>(), results_, result_bytes_, cudaMemcpyDeviceToHost, stream),
          "figures of a step");
    };
    if (recorded_) {
      graphs_[{kind, next_}].run(stream, work);
    } else {
      work();
    }
    slot.done.record(stream);
    next_ = (next_ + 1) % kSlots;
    ++pending_;
  }

  Finished wait() override {
    const Slot& slot = slots_[(next_ + kSlots - pending_) % kSlots];
    slot.done.wait();
    --pending_;
    return {slot.inputs.as<const std::byte>(), slot.results.as<const std::byte>()};
  }

  void forget() override { graphs_.clear(); }

 private:
  struct Slot {
    PinnedMemory inputs, results;
    Memory device;  // as `inputs`
    Event sent, done;
  };

  const CudaBackend& backend_;
  const void* results_;
  std::size_t result_bytes_;
  const bool recorded_;
  std::array<Slot, kSlots> slots_;
  std::map<std::pair<int, std::size_t>, StepGraph> graphs_;
  cudaStream_t copy_stream_ = nullptr;
  std::size_t next_ = 0, pending_ = 0;
};

}  // namespace

std::unique_ptr<StepQueue> make_cuda_step_queue(const CudaBackend& backend, std::size_t input_bytes,
                                                const void* results, std::size_t result_bytes,
                                                bool recorded) {
  return std::make_unique<CudaStepQueue>(backend, input_bytes, results, result_bytes, recorded);
}

}  // namespace qcface::nn::cuda
