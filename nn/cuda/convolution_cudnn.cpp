// Convolutions by cuDNN's older functions, for builds without cudnn-frontend and for shapes that the graph API refuses. An
// algorithm is chosen once a shape by cuDNN's heuristic, among those that give the same bits every time and whose
// workspace stays within a limit.
#include <cudnn.h>

#include <map>
#include <vector>

#include "core/error.h"
#include "nn/cuda/convolution.h"
#include "nn/cuda/dynamic_library.h"
#include "nn/cuda/legacy_choice.h"

namespace qcface::nn::cuda {
namespace {

#define QCFACE_CUDNN_FUNCTIONS(each)                                                                        \
  each(cudnnGetVersion) each(cudnnGetErrorString) each(cudnnCreate) each(cudnnDestroy) each(cudnnSetStream) \
      each(cudnnCreateTensorDescriptor) each(cudnnDestroyTensorDescriptor) each(cudnnSetTensor4dDescriptor) \
          each(cudnnCreateFilterDescriptor) each(cudnnDestroyFilterDescriptor)                              \
              each(cudnnSetFilter4dDescriptor) each(cudnnCreateConvolutionDescriptor)                       \
                  each(cudnnDestroyConvolutionDescriptor) each(cudnnSetConvolution2dDescriptor)             \
                      each(cudnnSetConvolutionMathType) each(cudnnGetConvolutionForwardAlgorithm_v7)        \
                          each(cudnnGetConvolutionForwardWorkspaceSize) each(cudnnConvolutionForward)       \
                              each(cudnnGetConvolutionBackwardDataAlgorithm_v7)                             \
                                  each(cudnnGetConvolutionBackwardDataWorkspaceSize)                        \
                                      each(cudnnConvolutionBackwardData)                                    \
                                          each(cudnnGetConvolutionBackwardFilterAlgorithm_v7)               \
                                              each(cudnnGetConvolutionBackwardFilterWorkspaceSize)          \
                                                  each(cudnnConvolutionBackwardFilter)

struct Library {
  DynamicLibrary file{"libcudnn.so." + std::to_string(CUDNN_MAJOR),
                      "the convolutions of the backbone on CUDA"};
#define QCFACE_MEMBER(name) decltype(&::name) name = nullptr;
  QCFACE_CUDNN_FUNCTIONS(QCFACE_MEMBER)
#undef QCFACE_MEMBER
  Library() {
#define QCFACE_BIND(name) file.bind(name, #name);
    QCFACE_CUDNN_FUNCTIONS(QCFACE_BIND)
#undef QCFACE_BIND
  }
  void check(cudnnStatus_t status, const std::string& what) const {
    require(status == CUDNN_STATUS_SUCCESS, "{}: cuDNN reports {}", what, cudnnGetErrorString(status));
  }
};

cudnnDataType_t data_type(StorageType type) {
  return type == StorageType::kF32    ? CUDNN_DATA_FLOAT
         : type == StorageType::kBf16 ? CUDNN_DATA_BFLOAT16
                                      : CUDNN_DATA_HALF;
}

class CudnnConvolution final : public Convolution {
 public:
  CudnnConvolution(const Library& library, cudnnHandle_t handle, const ConvolutionShape& shape, bool tf32)
      : lib_(library), handle_(handle), what_(to_string(shape)) {
    try {
      describe(shape, tf32);
    } catch (...) {
      destroy();
      throw;
    }
  }
  ~CudnnConvolution() override { destroy(); }
  CudnnConvolution(const CudnnConvolution&) = delete;
  CudnnConvolution& operator=(const CudnnConvolution&) = delete;

  std::size_t forward_bytes() const override { return forward_.bytes; }
  std::size_t backward_data_bytes() const override { return data_.bytes; }
  std::size_t backward_weights_bytes() const override { return weights_.bytes; }

  void forward(const void* x, const void* w, void* y, void* workspace) override {
    lib_.check(lib_.cudnnConvolutionForward(handle_, &kOne, x_, x, w_, w, forward_.descriptor,
                                            forward_.algorithm, workspace, forward_.bytes, &kZero, y_, y),
               what_ + " forward");
  }
  void backward_data(const void* w, const void* dy, void* dx, void* workspace) override {
    lib_.check(lib_.cudnnConvolutionBackwardData(handle_, &kOne, w_, w, y_, dy, data_.descriptor,
                                                 data_.algorithm, workspace, data_.bytes, &kZero, x_, dx),
               what_ + " gradient of its input");
  }
  void backward_weights(const void* x, const void* dy, void* dw, void* workspace) override {
    lib_.check(
        lib_.cudnnConvolutionBackwardFilter(handle_, &kOne, x_, x, y_, dy, weights_.descriptor,
                                            weights_.algorithm, workspace, weights_.bytes, &kZero, w_, dw),
        what_ + " gradient of its weights");
  }

 private:
  static constexpr float kOne = 1, kZero = 0;

  template <class Algorithm>
  struct Pass {
    cudnnConvolutionDescriptor_t descriptor = nullptr;
    Algorithm algorithm{};
    std::size_t bytes = 0;
  };

  void describe(const ConvolutionShape& s, bool tf32) {
    const cudnnDataType_t type = data_type(s.type);
    for (cudnnTensorDescriptor_t* tensor : {&x_, &y_})
      lib_.check(lib_.cudnnCreateTensorDescriptor(tensor), what_);
    lib_.check(lib_.cudnnCreateFilterDescriptor(&w_), what_);
    lib_.check(lib_.cudnnSetTensor4dDescriptor(x_, CUDNN_TENSOR_NHWC, type, s.n, s.c, s.h, s.w), what_);
    lib_.check(lib_.cudnnSetTensor4dDescriptor(y_, CUDNN_TENSOR_NHWC, type, s.n, s.k, s.out_h(), s.out_w()),
               what_);
    lib_.check(lib_.cudnnSetFilter4dDescriptor(w_, type, CUDNN_TENSOR_NHWC, s.k, s.c, s.kernel, s.kernel),
               what_);
    // fp32 means fp32: the default mathematics would round operands to TF32.
    math_ = s.type != StorageType::kF32 ? CUDNN_TENSOR_OP_MATH : tf32 ? CUDNN_DEFAULT_MATH : CUDNN_FMA_MATH;
    for (cudnnConvolutionDescriptor_t* d : {&forward_.descriptor, &data_.descriptor, &weights_.descriptor}) {
      lib_.check(lib_.cudnnCreateConvolutionDescriptor(d), what_);
      lib_.check(lib_.cudnnSetConvolution2dDescriptor(*d, s.padding, s.padding, s.stride, s.stride, 1, 1,
                                                      CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT),
                 what_);
      lib_.check(lib_.cudnnSetConvolutionMathType(*d, math_), what_);
    }
    choose<cudnnConvolutionFwdAlgoPerf_t>(
        forward_, "forward", CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM,
        [&](int most, int* count, cudnnConvolutionFwdAlgoPerf_t* results) {
          return lib_.cudnnGetConvolutionForwardAlgorithm_v7(handle_, x_, w_, forward_.descriptor, y_, most,
                                                             count, results);
        },
        [&](cudnnConvolutionFwdAlgo_t algorithm, std::size_t* bytes) {
          return lib_.cudnnGetConvolutionForwardWorkspaceSize(handle_, x_, w_, forward_.descriptor, y_,
                                                              algorithm, bytes);
        });
    choose<cudnnConvolutionBwdDataAlgoPerf_t>(
        data_, "gradient of its input", CUDNN_CONVOLUTION_BWD_DATA_ALGO_1,
        [&](int most, int* count, cudnnConvolutionBwdDataAlgoPerf_t* results) {
          return lib_.cudnnGetConvolutionBackwardDataAlgorithm_v7(handle_, w_, y_, data_.descriptor, x_, most,
                                                                  count, results);
        },
        [&](cudnnConvolutionBwdDataAlgo_t algorithm, std::size_t* bytes) {
          return lib_.cudnnGetConvolutionBackwardDataWorkspaceSize(handle_, w_, y_, data_.descriptor, x_,
                                                                   algorithm, bytes);
        });
    choose<cudnnConvolutionBwdFilterAlgoPerf_t>(
        weights_, "gradient of its weights", CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1,
        [&](int most, int* count, cudnnConvolutionBwdFilterAlgoPerf_t* results) {
          return lib_.cudnnGetConvolutionBackwardFilterAlgorithm_v7(handle_, x_, y_, weights_.descriptor, w_,
                                                                    most, count, results);
        },
        [&](cudnnConvolutionBwdFilterAlgo_t algorithm, std::size_t* bytes) {
          return lib_.cudnnGetConvolutionBackwardFilterWorkspaceSize(handle_, x_, y_, weights_.descriptor, w_,
                                                                     algorithm, bytes);
        });
  }

  template <class Result, class Algorithm, class Ask, class Size>
  void choose(Pass<Algorithm>& pass, const char* name, Algorithm last_resort, const Ask& ask,
              const Size& size) {
    std::vector<Result> results(16);
    int count = 0;
    if (ask(static_cast<int>(results.size()), &count, results.data()) != CUDNN_STATUS_SUCCESS) count = 0;
    std::vector<LegacyOffer> offers;
    for (int i = 0; i < count; ++i) {
      const Result& r = results[static_cast<std::size_t>(i)];
      offers.push_back({r.algo, r.status == CUDNN_STATUS_SUCCESS, r.determinism == CUDNN_DETERMINISTIC,
                        math_ == CUDNN_FMA_MATH ? math_ : r.mathType});
    }
    const auto sized = [&](const LegacyOffer& offer) -> std::optional<std::size_t> {
      const auto math = static_cast<cudnnMathType_t>(offer.math);
      std::size_t bytes = 0;
      if (lib_.cudnnSetConvolutionMathType(pass.descriptor, math) != CUDNN_STATUS_SUCCESS ||
          size(static_cast<Algorithm>(offer.algorithm), &bytes) != CUDNN_STATUS_SUCCESS)
        return std::nullopt;
      return bytes;
    };
    const auto choice =
        choose_legacy(offers, {last_resort, true, true, math_}, kConvolutionWorkspaceLimit, sized);
    require(choice.has_value(), "{}: cuDNN offers no reproducible algorithm for the {} ({} offers)", what_,
            name, count);
    pass.algorithm = static_cast<Algorithm>(choice->algorithm);
    pass.bytes = choice->bytes;
  }

  void destroy() {
    for (cudnnConvolutionDescriptor_t d : {forward_.descriptor, data_.descriptor, weights_.descriptor})
      if (d) lib_.cudnnDestroyConvolutionDescriptor(d);
    if (w_) lib_.cudnnDestroyFilterDescriptor(w_);
    for (cudnnTensorDescriptor_t tensor : {x_, y_})
      if (tensor) lib_.cudnnDestroyTensorDescriptor(tensor);
  }

  const Library& lib_;
  cudnnHandle_t handle_;
  std::string what_;
  cudnnMathType_t math_ = CUDNN_FMA_MATH;
  cudnnTensorDescriptor_t x_ = nullptr, y_ = nullptr;
  cudnnFilterDescriptor_t w_ = nullptr;
  Pass<cudnnConvolutionFwdAlgo_t> forward_;
  Pass<cudnnConvolutionBwdDataAlgo_t> data_;
  Pass<cudnnConvolutionBwdFilterAlgo_t> weights_;
};

class CudnnConvolutions final : public ConvolutionLibrary {
 public:
  CudnnConvolutions(cudaStream_t stream, bool tf32) : tf32_(tf32) {
    lib_.check(lib_.cudnnCreate(&handle_), "cudnnCreate");
    const cudnnStatus_t status = lib_.cudnnSetStream(handle_, stream);
    if (status != CUDNN_STATUS_SUCCESS) lib_.cudnnDestroy(handle_);
    lib_.check(status, "cudnnSetStream");
  }
  ~CudnnConvolutions() override {
    found_.clear();
    lib_.cudnnDestroy(handle_);
  }
  CudnnConvolutions(const CudnnConvolutions&) = delete;
  CudnnConvolutions& operator=(const CudnnConvolutions&) = delete;

  std::string name() const override {
    const std::size_t version = lib_.cudnnGetVersion();  // major * 10000 + minor * 100 + patch
    return fmt::format("cuDNN {}.{}.{} (older functions)", version / 10000, version / 100 % 100,
                       version % 100);
  }
  std::shared_ptr<Convolution> find(const ConvolutionShape& shape) override {
    auto& slot = found_[shape];
    if (!slot) slot = std::make_shared<CudnnConvolution>(lib_, handle_, shape, tf32_);
    return slot;
  }

 private:
  Library lib_;
  cudnnHandle_t handle_ = nullptr;
  bool tf32_;
  std::map<ConvolutionShape, std::shared_ptr<Convolution>> found_;
};

}  // namespace

std::unique_ptr<ConvolutionLibrary> make_legacy_convolutions(cudaStream_t stream, bool tf32) {
  return std::make_unique<CudnnConvolutions>(stream, tf32);
}

}  // namespace qcface::nn::cuda
