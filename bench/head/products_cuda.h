// The bare products of a step on the GPU: the floor in the CUDA benchmark's table.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "bench/head/device.h"
#include "kernels/cuda/product.h"
#include "qcface/kernels.hpp"

namespace qcface::bench {

/// The four products on the device, operands of `type`, in cuBLASLt; nothing else of a step. Enqueues on `stream`.
class BareProducts {
 public:
  BareProducts(const HeadOptions& o, Inputs& in, const std::string& type, cudaStream_t stream)
      : context_(0, QCF_DEVICE_CUDA),
        forward_(o.forward),
        narrow_(type != "f32"),
        x16_(narrow_ ? in.host_x.size() : 0),
        stride_((in.k + 63) / 64 * 64),
        operand_(static_cast<std::size_t>(in.n * stride_) * (narrow_ ? 2 : 4)),
        table_(static_cast<std::size_t>(in.n * stride_)),
        vectors_(in.host_x.size()),
        dw_(o.forward ? 0 : in.host_w.size()),
        scratch_(kernels::cuda::product_workspace_bytes()),
        inputs_(in) {
    const qcf_type kind = type_from_name(type);
    context_.get()->stream = stream;
    context_.check(qcf_cuda_open(context_.get()));
    // Zeros would multiply faster than numbers: less of the chip switches.
    std::vector<float> wide(1u << 16);
    fill_inputs(wide.data(), wide.size(), 7);
    std::vector<unsigned char> pattern(wide.size() * (narrow_ ? 2 : 4));
    if (narrow_) {
      std::vector<std::uint16_t> x(in.host_x.size()), bits(wide.size());
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = to_16_bit(in.host_x[i], kind);
      for (std::size_t i = 0; i < bits.size(); ++i) bits[i] = to_16_bit(wide[i], kind);
      x16_.copy_from(x);
      std::memcpy(pattern.data(), bits.data(), pattern.size());
      context_.check(qcf_unit_rows(context_.get(), in.k, in.d, in.w.data(), kind, in.unit.data()));
    } else {
      std::memcpy(pattern.data(), wide.data(), pattern.size());
    }
    // The pattern once, then what is there already, doubled until the array is full.
    std::size_t filled = std::min(pattern.size(), operand_.bytes());
    check(cudaMemcpy(operand_.data(), pattern.data(), filled, cudaMemcpyHostToDevice), "copy");
    while (filled < operand_.bytes()) {
      const std::size_t more = std::min(filled, operand_.bytes() - filled);
      check(cudaMemcpy(operand_.data() + filled, operand_.data(), more, cudaMemcpyDeviceToDevice), "copy");
      filled += more;
    }
    check(cudaDeviceSynchronize(), "inputs");
    prepare({kind, in.n, in.k, in.d, false, true, in.d, in.d, stride_}, &cosines_);
    if (forward_) return;
    prepare({kind, in.n, in.d, in.k, false, false, stride_, in.d, in.d}, &to_vectors_);
    prepare({kind, in.k, in.d, in.n, true, false, stride_, in.d, in.d}, &to_classes_);
  }
  ~BareProducts() { qcf_cuda_close(context_.get()); }
  BareProducts(const BareProducts&) = delete;
  BareProducts& operator=(const BareProducts&) = delete;

  void run() {
    const void* x = narrow_ ? static_cast<const void*>(x16_.data()) : inputs_.x.data();
    const void* w = narrow_ ? static_cast<const void*>(inputs_.unit.data()) : inputs_.w.data();
    product(cosines_, x, w, table_.data());
    if (forward_) return;
    product(to_vectors_, operand_.data(), w, vectors_.data());
    product(cosines_, x, w, table_.data());
    product(to_classes_, operand_.data(), x, dw_.data());
  }
  std::size_t extra_bytes() const {
    return operand_.bytes() + table_.bytes() + vectors_.bytes() + scratch_.bytes();
  }

 private:
  void prepare(const kernels::cuda::ProductShape& shape, kernels::cuda::Product* product) {
    context_.check(
        kernels::cuda::prepare_product(context_.get(), shape, scratch_.data(), scratch_.bytes(), product));
  }
  void product(const kernels::cuda::Product& p, const void* a, const void* b, float* c) {
    context_.check(kernels::cuda::run_product(context_.get(), p, 1.0f, a, b, 0.0f, c));
  }

  qcface::KernelContext context_;
  bool forward_, narrow_;
  Device<std::uint16_t> x16_;
  // K up to a multiple of 64: libraries have their fast kernels for rows that are aligned, and the floor is to be fast.
  std::int64_t stride_;
  Device<unsigned char> operand_;
  Device<float> table_, vectors_, dw_;
  Device<unsigned char> scratch_;
  Inputs& inputs_;
  kernels::cuda::Product cosines_{}, to_vectors_{}, to_classes_{};
};

}  // namespace qcface::bench
