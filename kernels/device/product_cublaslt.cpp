// The products through cuBLASLt. The library is opened with the first handle and not linked: a program that stays on the
// CPU does not pay its 200 MB. cuDNN, which opens it too, finds it by its name.
#include <cublasLt.h>
#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <type_traits>

#include "kernels/device/library.h"
#include "kernels/device/product.h"

namespace qcface::cuda {
namespace {

#define QCF_TEXT_OF(x) #x
#define QCF_TEXT(x) QCF_TEXT_OF(x)
constexpr const char* kLibrary = "libcublasLt.so." QCF_TEXT(CUBLAS_VER_MAJOR);

/// The functions that are used, by the names and types of cublasLt.h.
struct Library {
  decltype(&cublasLtCreate) create = nullptr;
  decltype(&cublasLtDestroy) destroy = nullptr;
  decltype(&cublasLtGetVersion) version = nullptr;
  decltype(&cublasLtMatmul) matmul = nullptr;
  decltype(&cublasLtMatmulAlgoGetHeuristic) heuristic = nullptr;
  decltype(&cublasLtMatmulDescInit_internal) describe_product = nullptr;
  decltype(&cublasLtMatmulDescSetAttribute) set_product = nullptr;
  decltype(&cublasLtMatrixLayoutInit_internal) describe_matrix = nullptr;
  decltype(&cublasLtMatmulPreferenceInit_internal) describe_preference = nullptr;
  decltype(&cublasLtMatmulPreferenceSetAttribute) set_preference = nullptr;
  std::string error;  // "" if all were found

  Library() {
    const OpenedLibrary opened = open_library(kLibrary, "products on CUDA", RTLD_NOW | RTLD_LOCAL);
    error = opened.error;
    if (opened.handle == nullptr) return;
    const auto find = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(opened.handle, name));
      if (function == nullptr) error = std::string(kLibrary) + " lacks " + name;
    };
    find(create, "cublasLtCreate");
    find(destroy, "cublasLtDestroy");
    find(version, "cublasLtGetVersion");
    find(matmul, "cublasLtMatmul");
    find(heuristic, "cublasLtMatmulAlgoGetHeuristic");
    find(describe_product, "cublasLtMatmulDescInit_internal");
    find(set_product, "cublasLtMatmulDescSetAttribute");
    find(describe_matrix, "cublasLtMatrixLayoutInit_internal");
    find(describe_preference, "cublasLtMatmulPreferenceInit_internal");
    find(set_preference, "cublasLtMatmulPreferenceSetAttribute");
  }
};

/// Opened at the first call; stays open.
const Library& library() {
  static const Library opened;
  return opened;
}

/// What a Product keeps in `detail`.
struct Detail {
  cublasLtMatmulDescOpaque_t product;
  cublasLtMatrixLayoutOpaque_t a, b, c;
  cublasLtMatmulAlgo_t algorithm;
};
static_assert(sizeof(Detail) <= sizeof(Product::detail));

const char* type_name(const ProductShape& s) { return s.f64 ? "f64" : qcf_type_name(s.type); }

cudaDataType_t data_type(qcf_type type) {
  return type == QCF_TYPE_F32 ? CUDA_R_32F : type == QCF_TYPE_BF16 ? CUDA_R_16BF : CUDA_R_16F;
}

bool failed(std::span<char> error, cublasStatus_t status, const char* what, const ProductShape& s) {
  std::snprintf(error.data(), error.size(),
                "cuBLASLt: %s of a product %lld x %lld x %lld (%s) failed with status %d", what,
                static_cast<long long>(s.m), static_cast<long long>(s.n), static_cast<long long>(s.k),
                type_name(s), static_cast<int>(status));
  return false;
}

}  // namespace

bool open_products(void** handle, std::span<char> error) {
  const Library& lib = library();
  if (!lib.error.empty()) {
    std::snprintf(error.data(), error.size(), "%s", lib.error.c_str());
    return false;
  }
  cublasLtHandle_t made = nullptr;
  const cublasStatus_t status = lib.create(&made);
  if (status != CUBLAS_STATUS_SUCCESS) {
    std::snprintf(error.data(), error.size(), "cuBLASLt: no handle, status %d", static_cast<int>(status));
    return false;
  }
  *handle = made;
  return true;
}

void close_products(void* handle) {
  if (handle != nullptr) (void)library().destroy(static_cast<cublasLtHandle_t>(handle));
}

std::string products_name() {
  const std::size_t version = library().version();  // major * 10000 + minor * 100 + patch
  return "cuBLASLt " + std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

bool prepare_product(void* handle, const ProductShape& s, bool tf32, std::size_t workspace_bytes,
                     Product* product, std::span<char> error) {
  const Library& lib = library();
  if (!lib.error.empty()) {  // the handle is the caller's own
    std::snprintf(error.data(), error.size(), "%s", lib.error.c_str());
    return false;
  }
  Detail d{};
  // cuBLASLt is column-major: a row-major matrix is its transpose, so C^T = op(B)^T op(A)^T with the operands swapped.
  const cublasOperation_t first = s.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N;
  const cublasOperation_t second = s.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N;
  const cublasComputeType_t compute = s.f64                            ? CUBLAS_COMPUTE_64F
                                      : s.type == QCF_TYPE_F32 && tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32
                                                                       : CUBLAS_COMPUTE_32F;
  const cudaDataType_t type = s.f64 ? CUDA_R_64F : data_type(s.type);
  cublasStatus_t status =
      lib.describe_product(&d.product, sizeof(d.product), compute, s.f64 ? CUDA_R_64F : CUDA_R_32F);
  const auto also = [&](auto call) {
    if (status == CUBLAS_STATUS_SUCCESS) status = call();
  };
  const auto matrix = [&](cublasLtMatrixLayoutOpaque_t* layout, cudaDataType_t of, std::int64_t rows,
                          std::int64_t columns, std::int64_t stride) {
    return lib.describe_matrix(layout, sizeof(*layout), of, static_cast<std::uint64_t>(rows),
                               static_cast<std::uint64_t>(columns), stride);
  };
  also([&] { return lib.set_product(&d.product, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof(first)); });
  also([&] { return lib.set_product(&d.product, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof(second)); });
  also([&] { return matrix(&d.a, type, s.transpose_b ? s.k : s.n, s.transpose_b ? s.n : s.k, s.b_stride); });
  also([&] { return matrix(&d.b, type, s.transpose_a ? s.m : s.k, s.transpose_a ? s.k : s.m, s.a_stride); });
  also([&] { return matrix(&d.c, s.f64 ? type : data_type(s.c_type), s.n, s.m, s.c_stride); });
  if (status != CUBLAS_STATUS_SUCCESS) return failed(error, status, "the description", s);

  cublasLtMatmulPreferenceOpaque_t preference{};
  // In-place reduction adds in the order in which blocks arrive; the other kinds add in a fixed order.
  const std::uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  const std::uint64_t bytes = workspace_bytes;
  const std::uint32_t alignment = 16;
  status = lib.describe_preference(&preference, sizeof(preference));
  also([&] {
    return lib.set_preference(&preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes, sizeof(bytes));
  });
  also([&] {
    return lib.set_preference(&preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reductions,
                              sizeof(reductions));
  });
  for (const auto attribute :
       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES}) {
    also([&] { return lib.set_preference(&preference, attribute, &alignment, sizeof(alignment)); });
  }
  // A promise of less than 16 bytes would leave out every algorithm that stores by TMA.
  const auto c_alignment = static_cast<std::uint32_t>(s.c_alignment);
  for (const auto attribute :
       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
    also([&] { return lib.set_preference(&preference, attribute, &c_alignment, sizeof(c_alignment)); });
  }
  cublasLtMatmulHeuristicResult_t result{};
  int found = 0;
  also([&] {
    return lib.heuristic(static_cast<cublasLtHandle_t>(handle), &d.product, &d.a, &d.b, &d.c, &d.c,
                         &preference, 1, &result, &found);
  });
  if (status == CUBLAS_STATUS_SUCCESS && found == 1) status = result.state;
  if (status != CUBLAS_STATUS_SUCCESS || found == 0)
    return failed(error, status, "the choice of an algorithm", s);
  d.algorithm = result.algo;
  product->shape = s;
  product->workspace_bytes = result.workspaceSize;
  std::memcpy(product->detail, &d, sizeof(d));
  return true;
}

bool run_product(void* handle, const Product& product, float alpha, const void* a, const void* b, float beta,
                 void* c, void* workspace, cudaStream_t stream, std::span<char> error) {
  Detail d;
  std::memcpy(&d, product.detail, sizeof(d));
  const double wide[2] = {static_cast<double>(alpha), static_cast<double>(beta)};
  const void* const first = product.shape.f64 ? static_cast<const void*>(&wide[0]) : &alpha;
  const void* const second = product.shape.f64 ? static_cast<const void*>(&wide[1]) : &beta;
  const cublasStatus_t status =
      library().matmul(static_cast<cublasLtHandle_t>(handle), &d.product, first, b, &d.a, a, &d.b, second, c,
                       &d.c, c, &d.c, &d.algorithm, workspace, product.workspace_bytes, stream);
  return status == CUBLAS_STATUS_SUCCESS || failed(error, status, "the launch", product.shape);
}

}  // namespace qcface::cuda
