// What the host code of the stages shares: the stream, and launches one after the other until one fails.
#pragma once

#include "kernels/check.h"
#include "kernels/device/runtime.h"
#include "qcface/kernels.h"

namespace qcface::kernels::cuda {

inline cudaStream_t stream_of(const qcf_context* context) {
  return static_cast<cudaStream_t>(context->stream);
}

inline qcf_status device_error(qcf_context* context, cudaError_t error, const char* what) {
  return fail(context, QCF_UNSUPPORTED, "CUDA: %s: %s", what, cudaGetErrorString(error));
}

/// Runs launches until one fails; each result becomes a status with the launch's name.
class Sequence {
 public:
  explicit Sequence(qcf_context* context) : context_(context) {}
  void operator()(cudaError_t error, const char* what) {
    if (status_ == QCF_OK && error != cudaSuccess) status_ = device_error(context_, error, what);
  }
  void operator()(qcf_status status) {
    if (status_ == QCF_OK) status_ = status;
  }
  bool ok() const { return status_ == QCF_OK; }
  qcf_status status() const { return status_; }

 private:
  qcf_context* context_;
  qcf_status status_ = QCF_OK;
};

}  // namespace qcface::kernels::cuda
