// What a device must offer to run a lowered graph. nn/cpu fills it on oneDNN, nn/cuda on cuDNN.
//
// Above this line nothing knows layouts or types: a value is an opaque block of value_bytes() bytes, of which the
// executor only knows the lifetime. Below it nothing knows the graph: a compiled layer is one layer at one batch size
// and mode, gets all its memory handed in, and allocates nothing when it runs.
//
// Parameters, their gradients, the optimiser's slots and running statistics are fp32 on every backend; a backend that
// computes in a 16-bit type also keeps a copy of the weights in that type (working_bytes).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "nn/lower.h"
#include "nn/optimiser.h"
#include "nn/step_control.h"
#include "nn/step_queue.h"

struct qcf_context;

namespace qcface {
class Communicator;
}

namespace qcface::nn {

class ParameterStore;

enum class Mode {
  kEval,    // running statistics, no dropout, no gradients
  kTrain,   // batch statistics, dropout, gradients, running statistics updated
  kFrozen,  // running statistics, no dropout, gradients (frozen batch norm; the golden "eval" runs)
};
const char* name_of(Mode mode);

/// Names the random stream of one step's dropout.
struct DropoutRecord {
  std::uint64_t seed = 0;
  std::uint64_t step = 0;      // inside the epoch
  std::int64_t first_row = 0;  // of these samples within the whole batch
  std::uint32_t epoch = 0;
  std::uint32_t unused = 0;
};

/// Which planes (n, c) dropout keeps in a training step: drawn from the stream (seed, kDropout, epoch, step), or
/// given.
struct DropoutKey {
  DropoutKey() = default;
  DropoutKey(std::uint64_t seed, std::uint32_t epoch, std::uint64_t step, std::int64_t first_row = 0)
      : drawn{seed, step, first_row, epoch, 0} {}

  DropoutRecord drawn;
  std::span<const std::uint8_t> keep = {};  // [N, C] of 0 and 1, borrowed; empty: drawn
  /// In the backend's memory, read when the step runs rather than when it is enqueued (a recorded step draws anew each
  /// time); `drawn` is then not looked at.
  const DropoutRecord* record = nullptr;
};

/// Images that lie in the backend's memory already; exactly one of the two is given.
struct DeviceImages {
  const std::uint8_t* pixels = nullptr;  // [N, H, W, 3] RGB
  const float* normalisation = nullptr;  // with pixels: [3, 256] value of each pixel in each channel
  const float* canonical = nullptr;      // [N, C, H, W]
};

/// Owned device memory. Move-only.
class Memory {
 public:
  using Free = void (*)(void* data, std::size_t bytes);
  Memory() = default;
  Memory(void* data, std::size_t bytes, Free free) : data_(data), bytes_(bytes), free_(free) {}
  Memory(Memory&& other) noexcept { swap(other); }
  Memory& operator=(Memory&& other) noexcept {
    Memory(std::move(other)).swap(*this);
    return *this;
  }
  ~Memory() {
    if (data_) free_(data_, bytes_);
  }
  std::byte* data() const { return static_cast<std::byte*>(data_); }
  std::size_t bytes() const { return bytes_; }
  std::span<float> floats() const { return {static_cast<float*>(data_), bytes_ / sizeof(float)}; }

 private:
  void swap(Memory& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(free_, other.free_);
  }
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
  Free free_ = nullptr;
};

/// Storage order of one parameter tensor. Absent where storage is canonical.
class ParameterLayout {
 public:
  virtual ~ParameterLayout() = default;
  virtual std::size_t storage_elements() const = 0;  // padding included
  /// canonical -> storage, padding set to 0; host memory.
  virtual void pack(const float* canonical, float* storage) const = 0;
  virtual void unpack(const float* storage, float* canonical) const = 0;
};

/// What a compiled layer wants of the arena.
struct LayerNeeds {
  std::size_t saved_bytes = 0;       // kept from forward to backward
  std::size_t statistics_bytes = 0;  // forward also leaves statistics of y for the layers that read it
  std::size_t forward_scratch_bytes = 0;
  std::size_t backward_scratch_bytes = 0;
  bool x_in_backward = true;       // backward reads the forward input
  bool accumulates = false;        // backward can add to dx instead of writing it
  bool backward_in_place = false;  // dx may be the same memory as dy
  bool forward_in_place = false;   // y may be the same memory as x or as the residual
};

struct ForwardCall {
  const void* x = nullptr;
  const void* residual = nullptr;
  void* y = nullptr;
  void* saved = nullptr;
  void* scratch = nullptr;
  void* y_statistics = nullptr;         // to be filled; only if the layer needs statistics_bytes
  const void* x_statistics = nullptr;   // what the layer that wrote x left; null: nothing
  const DropoutKey* dropout = nullptr;  // kTrain only
};

struct BackwardCall {
  const void* x = nullptr;  // null if not needed
  const void* dy = nullptr;
  void* dx = nullptr;       // null: nobody needs it
  bool accumulate = false;  // dx += instead of dx =
  const void* saved = nullptr;
  void* scratch = nullptr;
};

/// One layer at one batch size and mode. The gradient of a residual is dy itself, which the executor passes on.
class CompiledLayer {
 public:
  virtual ~CompiledLayer() = default;
  const LayerNeeds& needs() const { return needs_; }
  virtual void forward(const ForwardCall& call) = 0;
  /// Writes the gradients of the layer's own weights to the parameter store, overwriting.
  virtual void backward(const BackwardCall& call) = 0;

 protected:
  LayerNeeds needs_;
};

struct CompileOptions {
  int n = 1;
  Mode mode = Mode::kEval;
  bool input_gradient = true;  // whether backward will be asked for dx
};

/// Type that a backend keeps values in and multiplies in; sums and parameters are fp32 always.
enum class Precision { kFp32, kBf16, kFp16 };

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string name() const = 0;    // "oneDNN 2.6.3, 2 threads, channel blocks of 8"
  virtual const char* device() const = 0;  // "cpu" or "cuda": for people and result files, never to decide by

  /// Whether allocate() gives memory that the host may read and write. If not, spans of parameters are only to be
  /// handed on to the device.
  virtual bool on_host() const { return true; }
  /// Alignment of every buffer of the arena, a power of two of at least 64.
  virtual std::size_t alignment() const { return 64; }
  /// Bytes an element of the copy of the weights that layers compute with; 0: they read the weights themselves.
  virtual std::size_t working_bytes() const { return 0; }
  /// working = weights, rounded; device memory.
  virtual void refresh_working(const float* /*weights*/, void* /*working*/, std::size_t /*count*/) const {}

  /// Aligned to alignment() or better, zeroed. Throws Error naming `what` and the size.
  virtual Memory allocate(std::size_t bytes, const std::string& what) const = 0;
  virtual void copy_to_device(void* device, const void* host, std::size_t bytes) const = 0;
  virtual void copy_to_host(void* host, const void* device, std::size_t bytes) const = 0;

  /// Storage of a layer's weight; null for canonical.
  virtual std::unique_ptr<ParameterLayout> weight_layout(const LoweredGraph& graph,
                                                         const Layer& layer) const = 0;

  virtual std::size_t value_bytes(const Value& value, int n) const = 0;
  /// Canonical [N, C, H, W] host values from and to device memory in the value's own layout.
  virtual void import_value(const Value& value, int n, const float* canonical, void* device) const = 0;
  virtual void export_value(const Value& value, int n, const void* device, float* canonical) const = 0;
  /// target += source, for two blocks of this value's layout.
  virtual void accumulate(const Value& value, int n, void* target, const void* source) const = 0;

  // Network's path without the host: arrays in the backend's memory.
  virtual void import_images(const Value& value, int n, const DeviceImages& images, void* device) const = 0;
  /// Gradient of a vector value from fp32 [N, C], times the scalar *scale (null: 1).
  virtual void import_gradient(const Value& value, int n, const float* gradient, const float* scale,
                               void* device) const = 0;
  /// The fp32 [N, C] that a vector value is, to `rows`.
  virtual void export_rows(const Value& value, int n, const void* device, float* rows) const = 0;

  /// Throws Error for a layer this backend cannot run.
  virtual std::unique_ptr<CompiledLayer> compile(const LoweredGraph& graph, const Layer& layer,
                                                 ParameterStore& parameters,
                                                 const CompileOptions& options) = 0;

  /// Layers that are compiled from here on take their batch norm's statistics in training over the samples of all ranks, which
  /// run the same layers at the same time: mean and variance of the whole batch, the running ones too, and dx accordingly; the
  /// gradients of gamma and beta stay those of a rank's own samples, which add up like all others. The communicator takes
  /// arrays in the backend's memory, and must outlive the backend. Deterministic: the sums are added as it adds.
  virtual void share_batch_norm(Communicator& communicator) = 0;

  /// Brackets every run (thread count, current device).
  virtual void begin() {}
  virtual void end() {}
  /// Where calls enqueue, as qcf_context.stream; null where they compute at once.
  virtual void* stream_handle() const { return nullptr; }
  /// Waits until everything enqueued is done.
  virtual void synchronize() const {}
  /// A second stream beside stream_handle(), for what is sent to other ranks while layers compute; made by the first call, which
  /// must not come while a step is recorded. Null where calls compute at once.
  virtual void* communication_stream() { return nullptr; }
  /// What is enqueued on the second stream from here on waits for what has been enqueued on the first one until now.
  virtual void fork_communication() {}
  /// What is enqueued on the first stream from here on waits for what has been enqueued on the second one until now. Every step
  /// that forks ends with this, so that it can be recorded.
  virtual void join_communication() {}

  // ---- the rest of a training step. Arrays, records and scalars lie in the backend's memory; calls enqueue. ----
  /// Of the values and products of layers, and of the head's products.
  virtual Precision precision() const { return Precision::kFp32; }
  /// Device, stream, threads and products of a context of the kernel library.
  virtual void bind(qcf_context* context) const = 0;
  virtual void copy(void* to, const void* from, std::size_t bytes) const = 0;
  virtual void fill(void* memory, unsigned char byte, std::size_t bytes) const = 0;
  /// sum [count] += values.
  virtual void add(float* sum, const float* values, std::size_t count) const = 0;
  /// Marks the record if a value is NaN or infinite.
  virtual void check_finite(const float* values, std::size_t count, FiniteRecord* record) const = 0;
  /// Searches the gradients, and decides whether update() will change weights: not where the control holds something that is
  /// not finite. With `scales_loss`, gradients that are not finite only leave this step out and halve the loss scale, and
  /// many good steps in a row double it; without, and for embeddings, no later step changes a weight any more.
  virtual void settle_update(const float* gradients, std::size_t count, bool scales_loss,
                             StepControl* control) const = 0;
  virtual void update(const OptimiserSettings& settings, const UpdateCall& call) const = 0;
  /// `results`: where steps leave `result_bytes` for the host; borrowed. `recorded`: a step may be recorded and replayed; not
  /// where the host takes part in it (Communicator::enqueues).
  virtual std::unique_ptr<StepQueue> make_step_queue(std::size_t input_bytes, const void* results,
                                                     std::size_t result_bytes, bool recorded) const = 0;
};

/// The CPU backend. threads = 0: as many as OpenMP gives the calling thread now.
std::unique_ptr<Backend> make_cpu_backend(int threads = 0);

struct CudaOptions {
  int device_index = 0;
  Precision precision = Precision::kFp32;
  bool tf32 = false;  // fp32 products may round their operands to TF32
};

/// The CUDA backend. Throws Error where there is no usable GPU, and where cuDNN or cuBLASLt is not found.
std::unique_ptr<Backend> make_cuda_backend(const CudaOptions& options = {});

/// Number of usable GPUs. 0 where the build has no CUDA or the driver reports any error; `reason`, if given, then says
/// why. Never throws.
int cuda_device_count(std::string* reason = nullptr);

enum class DeviceKind { kCpu, kCuda };
const char* name_of(DeviceKind kind);      // "cpu", "cuda"
const char* name_of(Precision precision);  // "fp32", "bf16", "fp16"

struct DeviceChoice {
  DeviceKind kind = DeviceKind::kCpu;
  int index = 0;  // of the GPU
};

/// The backend of a device; threads: the CPU's. Throws Error as the two above, and where the CPU is asked for another
/// precision than fp32.
std::unique_ptr<Backend> make_backend(const DeviceChoice& device, Precision precision = Precision::kFp32,
                                      int threads = 0);

}  // namespace qcface::nn
