// Products by cuBLASLt, loaded when first needed. cuBLASLt counts in columns: the row-major result is asked for as its
// transpose, result^T [n, m] = op(b)^T op(a)^T, for which no array has to be moved.
#include <cublasLt.h>

#include <array>
#include <map>

#include "core/error.h"
#include "nn/cuda/dynamic_library.h"
#include "nn/cuda/matrix_product.h"

namespace qcface::nn::cuda {
namespace {

constexpr std::size_t kWorkspaceLimit = std::size_t{32} << 20;

#define QCFACE_CUBLASLT_FUNCTIONS(each)                                                             \
  each(cublasLtCreate) each(cublasLtDestroy) each(cublasLtGetVersion) each(cublasLtGetStatusString) \
      each(cublasLtMatmul) each(cublasLtMatmulAlgoGetHeuristic) each(cublasLtMatmulDescCreate)      \
          each(cublasLtMatmulDescDestroy) each(cublasLtMatmulDescSetAttribute)                      \
              each(cublasLtMatrixLayoutCreate) each(cublasLtMatrixLayoutDestroy)                    \
                  each(cublasLtMatmulPreferenceCreate) each(cublasLtMatmulPreferenceDestroy)        \
                      each(cublasLtMatmulPreferenceSetAttribute)

struct Library {
  DynamicLibrary file{"libcublasLt.so." + std::to_string(CUBLAS_VER_MAJOR),
                      "the fully connected layer on CUDA"};
#define QCFACE_MEMBER(name) decltype(&::name) name = nullptr;
  QCFACE_CUBLASLT_FUNCTIONS(QCFACE_MEMBER)
#undef QCFACE_MEMBER
  Library() {
#define QCFACE_BIND(name) file.bind(name, #name);
    QCFACE_CUBLASLT_FUNCTIONS(QCFACE_BIND)
#undef QCFACE_BIND
  }
};

cudaDataType_t data_type(StorageType type) {
  return type == StorageType::kF32 ? CUDA_R_32F : type == StorageType::kBf16 ? CUDA_R_16BF : CUDA_R_16F;
}

std::string text_of(const ProductShape& s) {
  return fmt::format("product [{}, {}] = [{}, {}]{} x [{}, {}]{} of {}", s.m, s.n, s.m, s.k,
                     s.transpose_a ? " transposed" : "", s.k, s.n, s.transpose_b ? " transposed" : "",
                     name_of(s.type));
}

class LtProducts final : public ProductLibrary {
 public:
  LtProducts(cudaStream_t stream, bool tf32) : stream_(stream), tf32_(tf32) {
    check(lt_.cublasLtCreate(&handle_), "cublasLtCreate");
  }
  ~LtProducts() override {
    for (auto& [shape, plan] : plans_) destroy(plan);
    lt_.cublasLtDestroy(handle_);
  }
  LtProducts(const LtProducts&) = delete;
  LtProducts& operator=(const LtProducts&) = delete;

  std::string name() const override {
    const std::size_t version = lt_.cublasLtGetVersion();  // major * 10000 + minor * 100 + patch
    return fmt::format("cuBLASLt {}.{}.{}", version / 10000, version / 100 % 100, version % 100);
  }

  std::size_t prepare(const ProductShape& shape) override {
    const auto found = plans_.find(shape);
    if (found != plans_.end()) return found->second.choice.workspaceSize;
    Plan plan;
    try {
      describe(shape, plan);
      choose(shape, plan);
    } catch (...) {
      destroy(plan);
      throw;
    }
    return plans_.emplace(shape, plan).first->second.choice.workspaceSize;
  }

  void multiply(const ProductShape& shape, const void* a, const void* b, void* result,
                void* workspace) override {
    const auto found = plans_.find(shape);
    require(found != plans_.end(), "{}: was not prepared", text_of(shape));
    const Plan& plan = found->second;
    const float one = 1, zero = 0;
    check(lt_.cublasLtMatmul(handle_, plan.operation, &one, b, plan.b, a, plan.a, &zero, result, plan.result,
                             result, plan.result, &plan.choice.algo, workspace, plan.choice.workspaceSize,
                             stream_),
          text_of(shape));
  }

 private:
  struct Plan {
    cublasLtMatmulDesc_t operation = nullptr;
    cublasLtMatrixLayout_t a = nullptr, b = nullptr, result = nullptr;
    cublasLtMatmulHeuristicResult_t choice{};
  };

  void check(cublasStatus_t status, const std::string& what) const {
    require(status == CUBLAS_STATUS_SUCCESS, "{}: cuBLASLt reports {}", what,
            lt_.cublasLtGetStatusString(status));
  }

  void describe(const ProductShape& s, Plan& plan) const {
    const bool fp32 = s.type == StorageType::kF32;
    const cublasComputeType_t compute = fp32 && tf32_ ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    check(lt_.cublasLtMatmulDescCreate(&plan.operation, compute, CUDA_R_32F), text_of(s));
    const auto set = [&](cublasLtMatmulDescAttributes_t attribute, cublasOperation_t value) {
      check(lt_.cublasLtMatmulDescSetAttribute(plan.operation, attribute, &value, sizeof value), text_of(s));
    };
    // Its first operand is our b.
    set(CUBLASLT_MATMUL_DESC_TRANSA, s.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, s.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
    const auto layout = [&](cublasLtMatrixLayout_t& made, StorageType type, std::int64_t rows,
                            std::int64_t columns) {  // of the row-major array as stored
      check(lt_.cublasLtMatrixLayoutCreate(&made, data_type(type), static_cast<std::uint64_t>(columns),
                                           static_cast<std::uint64_t>(rows), columns),
            text_of(s));
    };
    layout(plan.a, s.type, s.transpose_a ? s.k : s.m, s.transpose_a ? s.m : s.k);
    layout(plan.b, s.type, s.transpose_b ? s.n : s.k, s.transpose_b ? s.k : s.n);
    layout(plan.result, s.result, s.m, s.n);
  }

  void choose(const ProductShape& s, Plan& plan) const {
    cublasLtMatmulPreference_t preference = nullptr;
    check(lt_.cublasLtMatmulPreferenceCreate(&preference), text_of(s));
    const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
      return lt_.cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof value);
    };
    // Sums split over workgroups are added from the workspace in a fixed order, never in place.
    cublasStatus_t status = set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                                static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
    if (status == CUBLAS_STATUS_SUCCESS)
      status = set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{kWorkspaceLimit});
    // Weights of a store begin at multiples of 32 bytes only.
    for (const auto attribute :
         {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
      if (status == CUBLAS_STATUS_SUCCESS) status = set(attribute, std::uint32_t{16});
    }
    int found = 0;
    if (status == CUBLAS_STATUS_SUCCESS) {
      status = lt_.cublasLtMatmulAlgoGetHeuristic(handle_, plan.operation, plan.b, plan.a, plan.result,
                                                  plan.result, preference, 1, &plan.choice, &found);
    }
    lt_.cublasLtMatmulPreferenceDestroy(preference);
    check(status, text_of(s));
    require(found == 1 && plan.choice.state == CUBLAS_STATUS_SUCCESS, "{}: cuBLASLt has no algorithm for it",
            text_of(s));
  }

  void destroy(Plan& plan) const {
    if (plan.result) lt_.cublasLtMatrixLayoutDestroy(plan.result);
    if (plan.b) lt_.cublasLtMatrixLayoutDestroy(plan.b);
    if (plan.a) lt_.cublasLtMatrixLayoutDestroy(plan.a);
    if (plan.operation) lt_.cublasLtMatmulDescDestroy(plan.operation);
  }

  Library lt_;
  cublasLtHandle_t handle_ = nullptr;
  cudaStream_t stream_;
  bool tf32_;
  std::map<ProductShape, Plan> plans_;
};

}  // namespace

std::unique_ptr<ProductLibrary> make_product_library(cudaStream_t stream, bool tf32) {
  return std::make_unique<LtProducts>(stream, tf32);
}

}  // namespace qcface::nn::cuda
