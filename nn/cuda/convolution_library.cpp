// The convolutions of a GPU: cuDNN's graph API, its plans timed on this GPU, with the older functions as the fallback.
#include <cstdlib>

#include "core/error.h"
#include "core/log.h"
#include "nn/cuda/convolution_choice.h"
#include "nn/cuda/cuda_backend.h"
#include "nn/cuda/pointwise.h"

namespace qcface::nn::cuda {
namespace {

/// Device memory for a timing; null rather than an error where there is none left.
class Operand {
 public:
  explicit Operand(std::size_t bytes) {
    if (cudaMalloc(&data_, bytes + 1) != cudaSuccess) {
      cudaGetLastError();
      data_ = nullptr;
    } else if (cudaMemset(data_, 0x3C, bytes) != cudaSuccess) {  // about 1 in fp16, 0.01 in fp32 and bf16
      cudaGetLastError();
    }
  }
  ~Operand() { cudaFree(data_); }
  Operand(const Operand&) = delete;
  Operand& operator=(const Operand&) = delete;
  void* data() const { return data_; }

 private:
  void* data_ = nullptr;
};

struct EventPair {
  cudaEvent_t start = nullptr, stop = nullptr;
  EventPair() {
    check_cuda(cudaEventCreate(&start), "CUDA event");
    check_cuda(cudaEventCreate(&stop), "CUDA event");
  }
  ~EventPair() {
    if (start != nullptr) cudaEventDestroy(start);
    if (stop != nullptr) cudaEventDestroy(stop);
  }
  EventPair(const EventPair&) = delete;
  EventPair& operator=(const EventPair&) = delete;
};

/// Milliseconds: the least of five runs, after one that loads the kernels.
double time_runs(cudaStream_t stream, const std::function<void()>& run) {
  check_cuda(cudaDeviceSynchronize(), "timing of convolutions");
  const EventPair events;
  double least = 0;
  for (int i = 0; i < 6; ++i) {
    check_cuda(cudaEventRecord(events.start, stream), "CUDA event");
    run();
    check_cuda(cudaEventRecord(events.stop, stream), "CUDA event");
    check_cuda(cudaEventSynchronize(events.stop), "timing of convolutions");
    float time = 0;
    check_cuda(cudaEventElapsedTime(&time, events.start, events.stop), "CUDA event");
    if (i == 1 || (i > 1 && static_cast<double>(time) < least)) least = static_cast<double>(time);
  }
  return least;
}

std::size_t array_bytes(StorageType type, int a, int b, int c, int d) {
  return bytes_of(type) * static_cast<std::size_t>(a) * static_cast<std::size_t>(b) *
         static_cast<std::size_t>(c) * static_cast<std::size_t>(d);
}

std::optional<double> time_plan(cudaStream_t stream, ConvolutionGraph& graph, int candidate,
                                const ConvolutionShape& s, ConvolutionPass pass) {
  const Operand x(array_bytes(s.type, s.n, s.h, s.w, s.c)),
      w(array_bytes(s.type, s.k, s.kernel, s.kernel, s.c)),
      y(array_bytes(s.type, s.n, s.out_h(), s.out_w(), s.k)),
      sums(array_bytes(StorageType::kF32, 2, s.k, 1, 1)), workspace(graph.workspace_bytes(candidate));
  for (const Operand* operand : {&x, &w, &y, &sums, &workspace})
    if (operand->data() == nullptr) return std::nullopt;
  PassPointers p;
  switch (pass) {
    case ConvolutionPass::kForward:
      p = {x.data(), w.data(), nullptr, y.data(), nullptr};
      break;
    case ConvolutionPass::kForwardSums:
      p = {x.data(), w.data(), nullptr, y.data(), static_cast<float*>(sums.data())};
      break;
    case ConvolutionPass::kBackwardData:
      p = {nullptr, w.data(), y.data(), x.data(), nullptr};
      break;
    case ConvolutionPass::kBackwardWeights:
      p = {x.data(), nullptr, y.data(), w.data(), nullptr};
      break;
  }
  return time_runs(stream, [&] { graph.run(candidate, p, workspace.data()); });
}

std::optional<double> time_statistics(cudaStream_t stream, const ConvolutionShape& s) {
  const PointwiseShape shape{s.type, std::int64_t{s.n} * s.out_h() * s.out_w(), s.k};
  const Operand y(array_bytes(s.type, s.n, s.out_h(), s.out_w(), s.k)),
      partials(statistics_workspace_bytes(shape));
  if (y.data() == nullptr || partials.data() == nullptr) return std::nullopt;
  return time_runs(stream, [&] { batch_norm_statistics(shape, y.data(), partials.data(), stream); });
}

std::string device_and_driver() {
  int device = 0, driver = 0;
  check_cuda(cudaGetDevice(&device), "CUDA device");
  check_cuda(cudaDriverGetVersion(&driver), "CUDA driver");
  qcface::cuda::DeviceFacts facts;
  check_cuda(qcface::cuda::device_facts(device, &facts), "CUDA device");
  return fmt::format("{}, {} multiprocessors, driver {}.{}", facts.name, facts.multiprocessors, driver / 1000,
                     driver / 10 % 100);
}

}  // namespace

std::unique_ptr<ConvolutionLibrary> make_convolution_library(cudaStream_t stream, bool tf32) {
  if (const char* wanted = std::getenv("QCFACE_CONVOLUTIONS"); wanted != nullptr && *wanted != '\0') {
    require(std::string(wanted) == "older" || std::string(wanted) == "graph",
            "QCFACE_CONVOLUTIONS is '{}': expected graph or older", wanted);
    if (std::string(wanted) == "older") return make_legacy_convolutions(stream, tf32);
  }
  GraphLibraryParts parts;
  try {
    parts.planner = make_graph_planner(stream, tf32);
  } catch (const Error& error) {
    log::warn("cuDNN's graph API cannot be used ({}): its older functions are", error.what());
  }
  if (!parts.planner) return make_legacy_convolutions(stream, tf32);
  parts.clock = [stream](ConvolutionGraph& graph, int candidate, const ConvolutionShape& shape,
                         ConvolutionPass pass) { return time_plan(stream, graph, candidate, shape, pass); };
  parts.statistics_clock = [stream](const ConvolutionShape& shape) { return time_statistics(stream, shape); };
  parts.device = device_and_driver();
  parts.cache = plan_cache_file();
  parts.name_suffix = tf32 ? ", TF32" : "";
  parts.fallback = [stream, tf32] { return make_legacy_convolutions(stream, tf32); };
  return make_graph_convolutions(std::move(parts));
}

}  // namespace qcface::nn::cuda
