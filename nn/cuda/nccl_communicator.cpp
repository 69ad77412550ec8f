// NCCL's communicator does not block: every call may return before it is done and is followed by looks at its state, so that a
// rank that does not come is an Error after the timeout and not a process that hangs.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <map>
#include <thread>

#include "core/error.h"
#include "core/log.h"
#include "kernels/device/runtime.h"
#include "nn/cuda/between_devices.h"
#include "nn/cuda/check.h"
#include "nn/cuda/nccl_library.h"
#include "nn/cuda/reduce_parts.h"

namespace qcface::nn::cuda {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kSleep = std::chrono::microseconds(100);
constexpr std::int64_t kTogetherBytes =
    std::int64_t{1} << 20;  // of all ranks: what an all_reduce gathers to sum in their order

ncclDataType_t data_type(ElementType type) {
  switch (type) {
    case ElementType::kF32:
      return ncclFloat32;
    case ElementType::kF64:
      return ncclFloat64;
    case ElementType::kI32:
      return ncclInt32;
    case ElementType::kI64:
      return ncclInt64;
    case ElementType::kBytes:
      break;
  }
  return ncclUint8;
}

class NcclRanks final : public DeviceCommunicator {
 public:
  NcclRanks(Communicator& host, const NcclOptions& options)
      : host_(host), timeout_s_(options.timeout_s), workspace_bytes_(options.workspace_bytes) {
    ncclUniqueId id{};
    if (rank() == 0) check(lib_.ncclGetUniqueId(&id), "its start");
    host_.broadcast(array_of(id.internal, 1, sizeof(id.internal)), 0);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    try {
      const ncclResult_t result = lib_.ncclCommInitRankConfig(&comm_, size(), id, rank(), &config);
      require(result == ncclSuccess || result == ncclInProgress, "NCCL: its start: {}",
              lib_.ncclGetErrorString(result));
      settle("its start");
    } catch (...) {
      abort();
      throw;
    }
  }

  ~NcclRanks() override {
    if (comm_ != nullptr && std::uncaught_exceptions() == exceptions_) {
      try {
        check(lib_.ncclCommFinalize(comm_), "its end");
        settle("its end");
        if (const ncclResult_t result = lib_.ncclCommDestroy(comm_); result != ncclSuccess)
          log::error("NCCL: its end: {}", lib_.ncclGetErrorString(result));
        comm_ = nullptr;
      } catch (const std::exception& error) {
        log::error("{}", error.what());
      }
    }
    abort();
    for (const auto& [stream, memory] : workspaces_) cudaFree(memory);
  }

  int rank() const override { return host_.rank(); }
  int size() const override { return host_.size(); }
  int local_size() const override { return host_.local_size(); }
  int local_rank() const override { return host_.local_rank(); }
  void barrier() override { host_.barrier(); }

  void poll() override {
    host_.poll();
    if (comm_ != nullptr) state("work on the GPU");
  }

  void wait(void* stream) override {
    const Clock::time_point began = Clock::now();
    for (;;) {
      const cudaError_t status = cudaStreamQuery(static_cast<cudaStream_t>(stream));
      if (status == cudaSuccess) return;
      if (status != cudaErrorNotReady) check_cuda(status, "the stream of a collective");
      poll();
      require_time(began, "work on the GPU");
      std::this_thread::sleep_for(kSleep);
    }
  }

 protected:
  void do_all_reduce(const Array& values, Reduce reduce, void* stream) override {
    if (!values.on_device) return host_.all_reduce(values, reduce);
    const std::int64_t count = values.count();
    const auto bytes = static_cast<std::int64_t>(bytes_of(values.type)) * count;
    if (reduce == Reduce::kSum && (bytes * size() > kTogetherBytes || !fits(values))) {
      run("all_reduce", [&] {
        return lib_.ncclAllReduce(values.data, values.data, static_cast<std::size_t>(count),
                                  data_type(values.type), ncclSum, comm_, static_cast<cudaStream_t>(stream));
      });
      return;
    }
    in_pieces("all_reduce", values, stream, [&](std::int64_t first, std::int64_t length) {
      reduce_parts(values.type, reduce, size(), length, workspace(stream), at(values, first),
                   static_cast<cudaStream_t>(stream));
    });
  }

  void do_reduce_scatter(const Array& in, const Array& out, Reduce reduce, void* stream) override {
    if (!in.on_device) return host_.reduce_scatter(in, out, reduce);
    if (reduce == Reduce::kSum && !fits(in)) return scatter_sum(in, out, static_cast<cudaStream_t>(stream));
    const Share mine = share(in, rank());
    in_pieces("reduce_scatter", in, stream, [&](std::int64_t first, std::int64_t length) {
      const std::int64_t from = std::max(first, mine.first),
                         to = std::min(first + length, mine.first + mine.count);
      if (from >= to) return;
      // The part of this piece that is this rank's: its rows lie `length` apart in the workspace.
      reduce_columns(in.type, reduce, first, length, from, to, at(out, from - mine.first), stream);
    });
  }

  void do_all_gather(const Array& in, const Array& out, void* stream) override {
    if (!in.on_device) return host_.all_gather(in, out);
    const auto type = data_type(in.type);
    const auto on = static_cast<cudaStream_t>(stream);
    if (out.rows % size() == 0) {
      run("all_gather", [&] {
        return lib_.ncclAllGather(in.data, out.data, static_cast<std::size_t>(in.count()), type, comm_, on);
      });
      return;
    }
    run("all_gather", [&] {
      for (int r = 0; r < size(); ++r) {
        const Share theirs = share(out, r);
        void* const place = at(out, theirs.first);
        if (theirs.count == 0) continue;
        const ncclResult_t result = lib_.ncclBroadcast(
            r == rank() ? in.data : place, place, static_cast<std::size_t>(theirs.count), type, r, comm_, on);
        if (result != ncclSuccess && result != ncclInProgress) return result;
      }
      return ncclSuccess;
    });
  }

  void do_broadcast(const Array& values, int root, void* stream) override {
    if (!values.on_device) return host_.broadcast(values, root);
    run("broadcast", [&] {
      return lib_.ncclBroadcast(values.data, values.data, static_cast<std::size_t>(values.count()),
                                data_type(values.type), root, comm_, static_cast<cudaStream_t>(stream));
    });
  }

 private:
  static void* at(const Array& array, std::int64_t first) {
    return static_cast<unsigned char*>(array.data) + static_cast<std::size_t>(first) * bytes_of(array.type);
  }
  /// In elements.
  Share share(const Array& whole, int r) const {
    const Share rows = share_of(whole.rows, r, size());
    return {rows.first * whole.width, rows.count * whole.width};
  }
  /// Elements of one rank in the workspace.
  std::int64_t most(ElementType type) const {
    return std::max<std::int64_t>(
        static_cast<std::int64_t>(workspace_bytes_ / bytes_of(type) / static_cast<std::size_t>(size())), 1);
  }
  bool fits(const Array& array) const { return array.count() <= most(array.type); }

  void scatter_sum(const Array& in, const Array& out, cudaStream_t stream) {
    const auto type = data_type(in.type);
    run("reduce_scatter", [&] {
      if (in.rows % size() == 0)
        return lib_.ncclReduceScatter(in.data, out.data, static_cast<std::size_t>(out.count()), type, ncclSum,
                                      comm_, stream);
      for (int r = 0; r < size(); ++r) {
        const Share theirs = share(in, r);
        if (theirs.count == 0) continue;
        const ncclResult_t result =
            lib_.ncclReduce(at(in, theirs.first), r == rank() ? out.data : nullptr,
                            static_cast<std::size_t>(theirs.count), type, ncclSum, r, comm_, stream);
        if (result != ncclSuccess && result != ncclInProgress) return result;
      }
      return ncclSuccess;
    });
  }

  /// Gathers all ranks' elements [first, first + length) into the workspace, one rank behind the other, and calls
  /// reduce(first, length), for one piece after the other.
  template <class Piece>
  void in_pieces(const char* call, const Array& values, void* stream, const Piece& reduce) {
    const std::int64_t piece = most(values.type);
    void* const memory = workspace(stream);
    for (std::int64_t first = 0; first < values.count(); first += piece) {
      const std::int64_t length = std::min(piece, values.count() - first);
      run(call, [&] {
        return lib_.ncclAllGather(at(values, first), memory, static_cast<std::size_t>(length),
                                  data_type(values.type), comm_, static_cast<cudaStream_t>(stream));
      });
      reduce(first, length);
    }
  }

  /// Elements [from, to) of a gathered piece [first, first + length), reduced into `out`. The whole piece is reduced in place
  /// first: the rest of it is the workspace's.
  void reduce_columns(ElementType type, Reduce reduce, std::int64_t first, std::int64_t length,
                      std::int64_t from, std::int64_t to, void* out, void* stream) {
    const auto on = static_cast<cudaStream_t>(stream);
    void* const memory = workspace(stream);
    reduce_parts(type, reduce, size(), length, memory, memory, on);
    const std::size_t element = bytes_of(type);
    check_cuda(
        cudaMemcpyAsync(
            out, static_cast<unsigned char*>(memory) + static_cast<std::size_t>(from - first) * element,
            static_cast<std::size_t>(to - from) * element, cudaMemcpyDeviceToDevice, on),
        "reduce_scatter");
  }

  /// The stream's own: calls on two streams may run at the same time. Made with its first call, which is not recorded
  /// (StepGraph enqueues the first step).
  void* workspace(void* stream) {
    void*& memory = workspaces_[stream];
    if (memory == nullptr) check_cuda(cudaMalloc(&memory, workspace_bytes_), "memory for NCCL's arrays");
    return memory;
  }

  /// The calls of `work` as one group, up to their being enqueued.
  template <class Work>
  void run(const char* call, const Work& work) {
    require(comm_ != nullptr, "{}: NCCL was stopped by an earlier error, the ranks can only be ended", call);
    check(lib_.ncclGroupStart(), call);
    const ncclResult_t result = work();
    const ncclResult_t ended = lib_.ncclGroupEnd();  // whatever happened: the group is the thread's
    check(result, call);
    check(ended, call);
    settle(call);
  }

  /// Throws for an error, after ending NCCL's work.
  void check(ncclResult_t result, const char* call) {
    if (result == ncclSuccess || result == ncclInProgress) return;
    const char* const more = comm_ != nullptr ? lib_.ncclGetLastError(comm_) : nullptr;
    const std::string text =
        fmt::format("NCCL: {}: {}{}{}", call, lib_.ncclGetErrorString(result),
                    more != nullptr && *more != '\0' ? ": " : "", more != nullptr ? more : "");
    abort();
    throw Error(text);
  }
  /// NCCL's state; throws for an error.
  ncclResult_t state(const char* call) {
    ncclResult_t result = ncclSuccess;
    check(lib_.ncclCommGetAsyncError(comm_, &result), call);
    check(result, call);
    return result;
  }
  void settle(const char* call) {
    const Clock::time_point began = Clock::now();
    while (state(call) == ncclInProgress) {
      host_.poll();
      require_time(began, call);
      std::this_thread::sleep_for(kSleep);
    }
  }
  void require_time(Clock::time_point began, const char* call) {
    if (std::chrono::duration<double>(Clock::now() - began).count() <= timeout_s_) return;
    abort();
    fail(
        "NCCL: {} has waited {:.0f} s at rank {} of {}: another rank has not come to it, or the network "
        "between their GPUs is "
        "cut (NCCL_DEBUG=INFO tells more)",
        call, timeout_s_, rank(), size());
  }
  void abort() {
    if (comm_ != nullptr) lib_.ncclCommAbort(comm_);
    comm_ = nullptr;
  }

  Communicator& host_;
  const double timeout_s_;
  const std::size_t workspace_bytes_;
  const int exceptions_ = std::uncaught_exceptions();
  NcclLibrary lib_;
  ncclComm_t comm_ = nullptr;
  std::map<void*, void*> workspaces_;  // by stream
};

}  // namespace

std::unique_ptr<DeviceCommunicator> make_nccl_communicator(Communicator& host, const NcclOptions& options) {
  return std::make_unique<NcclRanks>(host, options);
}

}  // namespace qcface::nn::cuda
