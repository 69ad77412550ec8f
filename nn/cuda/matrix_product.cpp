#include "nn/cuda/matrix_product.h"

#include "core/error.h"

namespace qcface::nn::cuda {
namespace {

qcf_type type_of(StorageType type) {
  return type == StorageType::kF32 ? QCF_TYPE_F32 : type == StorageType::kBf16 ? QCF_TYPE_BF16 : QCF_TYPE_F16;
}

}  // namespace

MatrixProducts::MatrixProducts(cudaStream_t stream, bool tf32) : stream_(stream), tf32_(tf32) {
  char error[QCF_ERROR_TEXT_SIZE] = "";
  require(qcface::cuda::open_products(&handle_, error), "{}", error);
}

MatrixProducts::~MatrixProducts() { qcface::cuda::close_products(handle_); }

std::size_t MatrixProducts::prepare(const MatrixProduct& p) {
  const auto found = prepared_.find(p);
  if (found != prepared_.end()) return found->second.workspace_bytes;
  qcface::cuda::ProductShape shape{
      type_of(p.type),           p.m, p.n, p.k, p.transpose_a, p.transpose_b, p.transpose_a ? p.m : p.k,
      p.transpose_b ? p.k : p.n, p.n};
  shape.c_type = type_of(p.result);
  shape.c_alignment = qcface::cuda::alignment_of(nullptr, p.n, static_cast<std::int64_t>(bytes_of(p.result)));
  char error[QCF_ERROR_TEXT_SIZE] = "";
  qcface::cuda::Product product;
  require(qcface::cuda::prepare_product(handle_, shape, tf32_, qcface::cuda::kProductWorkspaceBytes, &product,
                                        error),
          "{}", error);
  return prepared_.emplace(p, product).first->second.workspace_bytes;
}

void MatrixProducts::multiply(const MatrixProduct& p, const void* a, const void* b, void* result,
                              void* workspace) {
  const auto found = prepared_.find(p);
  require(found != prepared_.end(), "product {} x {} x {} of {}: was not prepared", p.m, p.n, p.k,
          name_of(p.type));
  char error[QCF_ERROR_TEXT_SIZE] = "";
  require(
      qcface::cuda::run_product(handle_, found->second, 1.0f, a, b, 0.0f, result, workspace, stream_, error),
      "{}", error);
}

}  // namespace qcface::nn::cuda
