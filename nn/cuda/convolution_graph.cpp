// cudnn-frontend resolves every function of cuDNN in `cudnn_dlhandle`, so that nothing links libcudnn. The graphs:
//   forward           y = conv(x, w)                    sums: y = conv(x, w), genstats(y)
//   gradient of x     dx = conv_dgrad(dy, w)            of w: dw = conv_wgrad(dy, x)
// in cuDNN's order of dimensions (N, C, H, W), with the strides of channels-last memory.
#define NV_CUDNN_FRONTEND_USE_DYNAMIC_LOADING
#include <cudnn_frontend.h>

#include <algorithm>
#include <cstdlib>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/error.h"
#include "nn/cuda/convolution_graph.h"
#include "nn/cuda/dynamic_library.h"

namespace cudnn_frontend {
void* cudnn_dlhandle = nullptr;
}

namespace qcface::nn::cuda {
namespace {

namespace fe = cudnn_frontend;
using Tensor = fe::graph::Tensor_attributes;
using TensorPointer = std::shared_ptr<Tensor>;

enum Uid : std::int64_t { kX = 1, kW, kDy, kOut, kSum, kSquares };

void check(fe::error_t error, const std::string& what) {
  require(error.is_good(), "{}: cuDNN reports {}", what, error.get_message());
}

const char* name_of(Uid uid) {
  constexpr const char* kNames[] = {"x", "w", "dy", "out", "sum", "squares"};
  return kNames[uid - kX];
}

fe::DataType_t data_type(StorageType type) {
  return type == StorageType::kF32    ? fe::DataType_t::FLOAT
         : type == StorageType::kBf16 ? fe::DataType_t::BFLOAT16
                                      : fe::DataType_t::HALF;
}

struct Extent {
  std::int64_t n, c, h, w;
  std::vector<std::int64_t> dim() const { return {n, c, h, w}; }
  std::vector<std::int64_t> stride() const { return {h * w * c, 1, w * c, c}; }
};

/// A graph and the arrays that it was given.
struct Description {
  fe::graph::Graph& graph;
  std::vector<TensorPointer> tensors;

  TensorPointer input(Uid uid, const Extent& extent) {
    tensors.push_back(graph.tensor(Tensor().set_uid(uid).set_dim(extent.dim()).set_stride(extent.stride())));
    return tensors.back();
  }
  void output(const TensorPointer& tensor, Uid uid, const Extent& extent) {
    tensor->set_output(true).set_uid(uid).set_dim(extent.dim()).set_stride(extent.stride());
    tensors.push_back(tensor);
  }
};

template <class Attributes>
Attributes window(const ConvolutionShape& s) {
  return Attributes()
      .set_padding({s.padding, s.padding})
      .set_stride({s.stride, s.stride})
      .set_dilation({1, 1});
}

void describe(Description& d, const ConvolutionShape& s, ConvolutionPass pass) {
  const Extent x{s.n, s.c, s.h, s.w}, w{s.k, s.c, s.kernel, s.kernel}, y{s.n, s.k, s.out_h(), s.out_w()};
  switch (pass) {
    case ConvolutionPass::kForward:
    case ConvolutionPass::kForwardSums: {
      const auto in = d.input(kX, x), weights = d.input(kW, w);
      const auto out = d.graph.conv_fprop(in, weights, window<fe::graph::Conv_fprop_attributes>(s));
      d.output(out, kOut, y);
      if (pass == ConvolutionPass::kForward) return;
      const auto [sum, squares] = d.graph.genstats(out, fe::graph::Genstats_attributes());
      for (const auto& [tensor, uid] : {std::pair{sum, kSum}, std::pair{squares, kSquares}}) {
        d.output(tensor, uid, {1, s.k, 1, 1});
        tensor->set_data_type(fe::DataType_t::FLOAT);
      }
      return;
    }
    case ConvolutionPass::kBackwardData: {
      const auto dy = d.input(kDy, y), weights = d.input(kW, w);
      return d.output(d.graph.conv_dgrad(dy, weights, window<fe::graph::Conv_dgrad_attributes>(s)), kOut, x);
    }
    case ConvolutionPass::kBackwardWeights: {
      const auto dy = d.input(kDy, y), in = d.input(kX, x);
      return d.output(d.graph.conv_wgrad(dy, in, window<fe::graph::Conv_wgrad_attributes>(s)), kOut, w);
    }
  }
}

/// cudnn-frontend keeps the notes of its candidates to itself and to classes derived from it.
class NotedGraph final : public fe::graph::Graph {
 public:
  bool has_note(int candidate, fe::NumericalNote_t note) const {
    const auto& notes = plans.numeric_notes.at(static_cast<std::size_t>(candidate));
    return std::find(notes.begin(), notes.end(), note) != notes.end();
  }
};

class CudnnGraph final : public ConvolutionGraph {
 public:
  CudnnGraph(cudnnHandle_t handle, std::shared_ptr<const fe::DeviceProperties> described,
             const ConvolutionShape& shape, ConvolutionPass pass, bool tf32)
      : handle_(handle), channels_(shape.k), what_(fmt::format("{}, {}", to_string(shape), name_of(pass))) {
    graph_.set_io_data_type(data_type(shape.type))
        .set_intermediate_data_type(fe::DataType_t::FLOAT)
        .set_compute_data_type(fe::DataType_t::FLOAT);
    // Plans live as long as the backend, which outlives every captured step.
    graph_.set_cuda_graph_retention(fe::CudaGraphRetention_t::NONE);
    if (described) graph_.set_device_properties(std::move(described));
    Description description{graph_, {}};
    describe(description, shape, pass);
    check(graph_.validate(), what_);
    for (const TensorPointer& tensor : description.tensors) {
      const auto type = tensor->get_data_type();
      tensors_.push_back({name_of(static_cast<Uid>(tensor->get_uid())),
                          type == fe::DataType_t::FLOAT      ? StorageType::kF32
                          : type == fe::DataType_t::BFLOAT16 ? StorageType::kBf16
                                                             : StorageType::kF16,
                          tensor->get_dim(), tensor->get_stride()});
    }
    check(handle_ != nullptr ? graph_.build_operation_graph(handle_) : graph_.build_operation_graph(), what_);
    check(graph_.create_execution_plans({fe::HeurMode_t::A, fe::HeurMode_t::FALLBACK}), what_);
    std::vector<fe::NumericalNote_t> refused{fe::NumericalNote_t::NONDETERMINISTIC,
                                             fe::NumericalNote_t::REDUCED_PRECISION_REDUCTION,
                                             fe::NumericalNote_t::WINOGRAD_TILE_13x13};
    if (shape.type == StorageType::kF32 && !tf32) {  // the tensor cores take fp32 operands as TF32 only
      refused.push_back(fe::NumericalNote_t::TENSOR_CORE);
      refused.push_back(fe::NumericalNote_t::DOWN_CONVERT_INPUTS);
    }
    graph_.deselect_numeric_notes(refused);
    graph_.deselect_workspace_greater_than(static_cast<std::int64_t>(kConvolutionWorkspaceLimit));
    for (int i = 0; i < static_cast<int>(graph_.get_execution_plan_count()); ++i) {
      std::string tag;
      check(graph_.get_plan_name_at_index(i, tag), what_);
      names_.push_back(std::move(tag));
    }
  }

  std::vector<GraphTensor> tensors() const override { return tensors_; }
  int candidates() const override { return static_cast<int>(names_.size()); }
  std::string name(int candidate) const override { return names_[static_cast<std::size_t>(candidate)]; }
  bool reproducible(int candidate) const override {
    return !graph_.has_note(candidate, fe::NumericalNote_t::NONDETERMINISTIC);
  }
  bool build(int candidate) override {
    try {
      return graph_.build_plan_at_index(candidate).is_good() &&
             workspace_bytes(candidate) <= kConvolutionWorkspaceLimit;
    } catch (const std::exception&) {  // a library that the plan would need is missing
      return false;
    }
  }
  std::size_t workspace_bytes(int candidate) const override {
    return static_cast<std::size_t>(graph_.get_workspace_size_plan_at_index(candidate));
  }
  void run(int candidate, const PassPointers& p, void* workspace) override {
    require(handle_ != nullptr, "{}: planned for a device that is only described; it cannot run", what_);
    std::unordered_map<std::int64_t, void*> pack;
    const auto add = [&](Uid uid, const void* pointer) {
      if (pointer != nullptr) pack[uid] = const_cast<void*>(pointer);
    };
    add(kX, p.x);
    add(kW, p.w);
    add(kDy, p.dy);
    add(kOut, p.out);
    add(kSum, p.sums);
    add(kSquares, p.sums != nullptr ? p.sums + channels_ : nullptr);
    check(graph_.execute_plan_at_index(handle_, pack, workspace, candidate), what_);
  }

 private:
  cudnnHandle_t handle_;
  int channels_;
  std::string what_;
  NotedGraph graph_;
  std::vector<GraphTensor> tensors_;
  std::vector<std::string> names_;
};

class CudnnPlanner final : public GraphPlanner {
 public:
  CudnnPlanner(const std::string& device_json, bool tf32) : tf32_(tf32) {
    auto device = std::make_shared<fe::DeviceProperties>();
    check(device->deserialize({device_json.begin(), device_json.end()}), "description of a device");
    described_ = std::move(device);
  }
  CudnnPlanner(cudaStream_t stream, bool tf32) : tf32_(tf32) {
    require(fe::detail::create_handle(&handle_) == CUDNN_STATUS_SUCCESS, "cudnnCreate failed");
    if (fe::detail::set_stream(handle_, stream) != CUDNN_STATUS_SUCCESS) {
      fe::detail::destroy_handle(handle_);
      fail("cudnnSetStream failed");
    }
  }
  ~CudnnPlanner() override {
    if (handle_ != nullptr) fe::detail::destroy_handle(handle_);
  }
  CudnnPlanner(const CudnnPlanner&) = delete;
  CudnnPlanner& operator=(const CudnnPlanner&) = delete;

  std::string library() const override {
    const std::size_t version = fe::detail::get_backend_version();  // major * 10000 + minor * 100 + patch
    return fmt::format("cuDNN {}.{}.{}", version / 10000, version / 100 % 100, version % 100);
  }
  std::unique_ptr<ConvolutionGraph> plan(const ConvolutionShape& shape, ConvolutionPass pass) override {
    try {
      return std::make_unique<CudnnGraph>(handle_, described_, shape, pass, tf32_);
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {  // cudnn-frontend throws types of its own
      fail("{}, {}: cuDNN reports {}", to_string(shape), name_of(pass), error.what());
    }
  }

 private:
  bool tf32_;
  cudnnHandle_t handle_ = nullptr;
  std::shared_ptr<const fe::DeviceProperties> described_;
};

/// Opens cuDNN for cudnn-frontend, once. cudnn-frontend also looks for a CUDA runtime of its own, to ask for the thread's
/// context; where several are installed it would take the oldest, and say so on stderr, unless one is named.
void open_cudnn() {
  const std::string runtime = "libcudart.so." + std::to_string(CUDART_VERSION / 1000);
  ::setenv("CUDNN_FRONTEND_CUDART_LIB_NAME", runtime.c_str(), 0);
  static const DynamicLibrary library("libcudnn.so." + std::to_string(CUDNN_MAJOR),
                                      "the convolutions of the backbone on CUDA");
  fe::cudnn_dlhandle = library.handle();
}

}  // namespace

bool has_graph_planner() { return true; }

std::unique_ptr<GraphPlanner> make_graph_planner(cudaStream_t stream, bool tf32) {
  open_cudnn();
  return std::make_unique<CudnnPlanner>(stream, tf32);
}

std::unique_ptr<GraphPlanner> make_described_planner(const std::string& device_json, bool tf32) {
  open_cudnn();
  return std::make_unique<CudnnPlanner>(device_json, tf32);
}

}  // namespace qcface::nn::cuda
