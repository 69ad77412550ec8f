// The products through cuBLASLt. The library is opened at qcf_cuda_open and not linked: a program that stays on the CPU
// does not pay its 200 MB. library_search.h says where it is looked for.
#ifndef QCF_EMULATE
#include <cublasLt.h>
#include <dlfcn.h>

#include <cstring>
#include <string>

#include "kernels/check.h"
#include "kernels/cuda/library_search.h"
#include "kernels/cuda/product.h"

namespace qcface::kernels::cuda {
namespace {

#define QCF_TEXT_OF(x) #x
#define QCF_TEXT(x) QCF_TEXT_OF(x)
constexpr const char* kLibrary = "libcublasLt.so." QCF_TEXT(CUBLAS_VER_MAJOR);

/// The functions that are used, by the names and types of cublasLt.h.
struct Library {
  decltype(&cublasLtCreate) create = nullptr;
  decltype(&cublasLtDestroy) destroy = nullptr;
  decltype(&cublasLtMatmul) matmul = nullptr;
  decltype(&cublasLtMatmulAlgoGetHeuristic) heuristic = nullptr;
  decltype(&cublasLtMatmulDescInit_internal) describe_product = nullptr;
  decltype(&cublasLtMatmulDescSetAttribute) set_product = nullptr;
  decltype(&cublasLtMatrixLayoutInit_internal) describe_matrix = nullptr;
  decltype(&cublasLtMatmulPreferenceInit_internal) describe_preference = nullptr;
  decltype(&cublasLtMatmulPreferenceSetAttribute) set_preference = nullptr;
  std::string error;  // "" if all were found

  Library() {
    const OpenedLibrary opened = open_library(kLibrary, RTLD_NOW | RTLD_LOCAL);
    if (opened.handle == nullptr) {
      error = std::string(kLibrary) + " was not found. Tried: " + opened.tried +
              ". Install cuBLAS, or name its folder (a Python site-packages folder will do) in "
              "QCFACE_LIBRARY_PATH";
      return;
    }
    const auto find = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(opened.handle, name));
      if (function == nullptr) error = std::string(kLibrary) + " lacks " + name;
    };
    find(create, "cublasLtCreate");
    find(destroy, "cublasLtDestroy");
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

cudaDataType_t data_type(qcf_type type) {
  return type == QCF_TYPE_F32 ? CUDA_R_32F : type == QCF_TYPE_BF16 ? CUDA_R_16BF : CUDA_R_16F;
}

qcf_status failed(qcf_context* context, cublasStatus_t status, const char* what, const ProductShape& s) {
  return fail(context, QCF_UNSUPPORTED,
              "cuBLASLt: %s of a product %lld x %lld x %lld (%s) failed with status %d", what,
              static_cast<long long>(s.m), static_cast<long long>(s.n), static_cast<long long>(s.k),
              qcf_type_name(s.type), static_cast<int>(status));
}

}  // namespace

std::size_t product_workspace_bytes() { return kCublasLtWorkspaceBytes; }

qcf_status open_products(qcf_context* context) {
  const Library& lib = library();
  if (!lib.error.empty()) return fail(context, QCF_UNSUPPORTED, "%s", lib.error.c_str());
  cublasLtHandle_t handle = nullptr;
  const cublasStatus_t status = lib.create(&handle);
  if (status != CUBLAS_STATUS_SUCCESS) {
    return fail(context, QCF_UNSUPPORTED, "cuBLASLt: no handle, status %d", static_cast<int>(status));
  }
  context->cublaslt = handle;
  return QCF_OK;
}

void close_products(qcf_context* context) {
  if (context->cublaslt != nullptr) (void)library().destroy(static_cast<cublasLtHandle_t>(context->cublaslt));
  context->cublaslt = nullptr;
}

qcf_status prepare_product(qcf_context* context, const ProductShape& s, void* workspace,
                           std::size_t workspace_bytes, Product* product) {
  if (context->cublaslt == nullptr) {
    return fail(context, QCF_INVALID_ARGUMENT, "context.cublaslt is NULL: call qcf_cuda_open first");
  }
  const Library& lib = library();
  if (!lib.error.empty()) return fail(context, QCF_UNSUPPORTED, "%s", lib.error.c_str());
  Detail d{};
  // cuBLASLt is column-major: a row-major matrix is its transpose, so C^T = op(B)^T op(A)^T with the operands swapped.
  const cublasOperation_t first = s.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N;
  const cublasOperation_t second = s.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N;
  const cublasComputeType_t compute =
      s.type == QCF_TYPE_F32 && context->tf32 != 0 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  cublasStatus_t status = lib.describe_product(&d.product, sizeof(d.product), compute, CUDA_R_32F);
  const auto also = [&](auto call) {
    if (status == CUBLAS_STATUS_SUCCESS) status = call();
  };
  const auto matrix = [&](cublasLtMatrixLayoutOpaque_t* layout, cudaDataType_t type, std::int64_t rows,
                          std::int64_t columns, std::int64_t stride) {
    return lib.describe_matrix(layout, sizeof(*layout), type, static_cast<std::uint64_t>(rows),
                               static_cast<std::uint64_t>(columns), stride);
  };
  also([&] { return lib.set_product(&d.product, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof(first)); });
  also([&] { return lib.set_product(&d.product, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof(second)); });
  also([&] {
    return matrix(&d.a, data_type(s.type), s.transpose_b ? s.k : s.n, s.transpose_b ? s.n : s.k, s.b_stride);
  });
  also([&] {
    return matrix(&d.b, data_type(s.type), s.transpose_a ? s.m : s.k, s.transpose_a ? s.k : s.m, s.a_stride);
  });
  also([&] { return matrix(&d.c, CUDA_R_32F, s.n, s.m, s.c_stride); });
  if (status != CUBLAS_STATUS_SUCCESS) return failed(context, status, "the description", s);

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
    return lib.heuristic(static_cast<cublasLtHandle_t>(context->cublaslt), &d.product, &d.a, &d.b, &d.c, &d.c,
                         &preference, 1, &result, &found);
  });
  if (status != CUBLAS_STATUS_SUCCESS || found == 0)
    return failed(context, status, "the choice of an algorithm", s);
  d.algorithm = result.algo;
  product->shape = s;
  product->workspace = workspace;
  product->workspace_bytes = workspace_bytes;
  std::memcpy(product->detail, &d, sizeof(d));
  return QCF_OK;
}

qcf_status run_product(qcf_context* context, const Product& product, float alpha, const void* a,
                       const void* b, float beta, float* c) {
  Detail d;
  std::memcpy(&d, product.detail, sizeof(d));
  const cublasStatus_t status =
      library().matmul(static_cast<cublasLtHandle_t>(context->cublaslt), &d.product, &alpha, b, &d.a, a, &d.b,
                       &beta, c, &d.c, c, &d.c, &d.algorithm, product.workspace, product.workspace_bytes,
                       static_cast<cudaStream_t>(context->stream));
  return status == CUBLAS_STATUS_SUCCESS ? QCF_OK : failed(context, status, "the launch", product.shape);
}

}  // namespace qcface::kernels::cuda
#endif
