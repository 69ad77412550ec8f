#include "nn/scoring/cuda/scoring_device.h"

#include <qcface/kernels.h>

#include "core/error.h"
#include "nn/cuda/check.h"
#include "nn/cuda/usable_device.h"

namespace qcface::nn::cuda {
namespace {

void free_device(void* data, std::size_t) { cudaFree(data); }

}  // namespace

ScoringDevice::ScoringDevice(const CudaScorerOptions& options) : options_(options) {
  name_ = use_device(options.device_index).name;
  char error[QCF_ERROR_TEXT_SIZE] = "";
  require(qcface::cuda::open_products(&handle_, error), "{}", error);
  const cudaError_t status = cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking);
  if (status != cudaSuccess) qcface::cuda::close_products(handle_);
  check_cuda(status, "CUDA stream");
}

ScoringDevice::~ScoringDevice() {
  cudaStreamSynchronize(stream_);
  qcface::cuda::close_products(handle_);
  cudaStreamDestroy(stream_);
}

void ScoringDevice::begin() const { check_cuda(cudaSetDevice(options_.device_index), "CUDA device"); }

void ScoringDevice::wait() const { check_cuda(cudaStreamSynchronize(stream_), "scoring"); }

std::size_t ScoringDevice::memory_bytes() const {
  if (options_.memory_bytes > 0) return options_.memory_bytes;
  std::size_t free_bytes = 0, all_bytes = 0;
  check_cuda(cudaMemGetInfo(&free_bytes, &all_bytes), "GPU memory");
  return free_bytes / 5 * 4;
}

Memory ScoringDevice::allocate(std::size_t bytes, const char* what) const {
  void* data = nullptr;
  if (cudaMalloc(&data, bytes) != cudaSuccess) {
    cudaGetLastError();  // the failure is told here
    std::size_t left = 0, total = 0;
    if (cudaMemGetInfo(&left, &total) != cudaSuccess) left = 0;
    fail("{}: out of GPU memory: {} MiB for {}, {} MiB are free; compute the scores on the CPU", name_,
         bytes >> 20, what, left >> 20);
  }
  return Memory(data, bytes, free_device);
}

void ScoringDevice::copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) const {
  if (bytes > 0) check_cuda(cudaMemcpyAsync(to, from, bytes, kind, stream_), "copy of scores");
}

void ScoringDevice::fill(void* memory, unsigned char byte, std::size_t bytes) const {
  if (bytes > 0) check_cuda(cudaMemsetAsync(memory, byte, bytes, stream_), "clearing memory");
}

void ScoringDevice::upload_rows(const RowsView& rows, std::int64_t first, std::int64_t count,
                                const RawRows& to) const {
  const auto values = static_cast<std::size_t>(count * rows.width);
  if (rows.f32 != nullptr) {
    upload(to.f32, rows.f32 + first * rows.width, values);
  } else {
    upload(to.f64, rows.f64 + first * rows.width, values);
  }
}

void ScoringDevice::multiply(std::int64_t m, std::int64_t n, std::int64_t k, const double* a, const double* b,
                             double* products) {
  qcface::cuda::ProductShape shape;
  shape.f64 = true;
  shape.m = m;
  shape.n = n;
  shape.k = k;
  shape.transpose_b = true;
  shape.a_stride = shape.b_stride = k;
  shape.c_stride = n;
  char error[QCF_ERROR_TEXT_SIZE] = "";
  if (shape != product_.shape) {
    require(qcface::cuda::prepare_product(handle_, shape, false, qcface::cuda::kProductWorkspaceBytes,
                                          &product_, error),
            "{}", error);
    if (product_workspace_.bytes() < product_.workspace_bytes) {
      wait();  // for what uses the smaller one
      product_workspace_ = Memory();
      product_workspace_ = allocate(product_.workspace_bytes, "a product");
    }
  }
  require(qcface::cuda::run_product(handle_, product_, 1.0f, a, b, 0.0f, products, product_workspace_.data(),
                                    stream_, error),
          "{}", error);
}

void ScoringDevice::collectively(const std::function<void(Scratch*)>& call) {
  Scratch wanted;
  call(&wanted);
  if (scratch_.bytes() < wanted.bytes) {
    wait();
    scratch_ = Memory();
    scratch_ = allocate(wanted.bytes, "sorting");
  }
  if (scratch_.bytes() == 0) scratch_ = allocate(256, "sorting");  // null would only ask again
  Scratch given{scratch_.data(), std::max(wanted.bytes, std::size_t{1})};
  call(&given);
}

}  // namespace qcface::nn::cuda
