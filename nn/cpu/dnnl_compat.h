// The one place that knows how oneDNN's C++ interface changed between 2.x (Debian 12) and 3.x (Ubuntu 24.04):
// primitive descriptors are built from operation descriptors in the one and directly in the other.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

namespace qcface::nn::cpu {

struct ConvDescriptor {
  dnnl::memory::desc src, weights, dst;
  dnnl::memory::dims strides, padding;
};

#if DNNL_VERSION_MAJOR >= 3

inline auto conv_forward_pd(const dnnl::engine& e, dnnl::prop_kind kind, const ConvDescriptor& d,
                            const dnnl::primitive_attr& attr) {
  return dnnl::convolution_forward::primitive_desc(e, kind, dnnl::algorithm::convolution_direct, d.src,
                                                   d.weights, d.dst, d.strides, d.padding, d.padding, attr);
}
inline auto conv_backward_data_pd(const dnnl::engine& e, const ConvDescriptor& d,
                                  const dnnl::convolution_forward::primitive_desc& hint,
                                  const dnnl::primitive_attr& attr) {
  return dnnl::convolution_backward_data::primitive_desc(e, dnnl::algorithm::convolution_direct, d.src,
                                                         d.weights, d.dst, d.strides, d.padding, d.padding,
                                                         hint, attr);
}
inline auto conv_backward_weights_pd(const dnnl::engine& e, const ConvDescriptor& d,
                                     const dnnl::convolution_forward::primitive_desc& hint,
                                     const dnnl::primitive_attr& attr) {
  return dnnl::convolution_backward_weights::primitive_desc(e, dnnl::algorithm::convolution_direct, d.src,
                                                            d.weights, d.dst, d.strides, d.padding, d.padding,
                                                            hint, attr);
}
inline auto fc_forward_pd(const dnnl::engine& e, dnnl::prop_kind kind, const dnnl::memory::desc& src,
                          const dnnl::memory::desc& weights, const dnnl::memory::desc& bias,
                          const dnnl::memory::desc& dst, const dnnl::primitive_attr& attr) {
  return dnnl::inner_product_forward::primitive_desc(e, kind, src, weights, bias, dst, attr);
}
inline auto fc_backward_data_pd(const dnnl::engine& e, const dnnl::memory::desc& src,
                                const dnnl::memory::desc& weights, const dnnl::memory::desc& dst,
                                const dnnl::inner_product_forward::primitive_desc& hint,
                                const dnnl::primitive_attr& attr) {
  return dnnl::inner_product_backward_data::primitive_desc(e, src, weights, dst, hint, attr);
}
inline auto fc_backward_weights_pd(const dnnl::engine& e, const dnnl::memory::desc& src,
                                   const dnnl::memory::desc& weights, const dnnl::memory::desc& bias,
                                   const dnnl::memory::desc& dst,
                                   const dnnl::inner_product_forward::primitive_desc& hint,
                                   const dnnl::primitive_attr& attr) {
  return dnnl::inner_product_backward_weights::primitive_desc(e, src, weights, bias, dst, hint, attr);
}
inline dnnl::memory::dims dims_of(const dnnl::memory::desc& d) { return d.get_dims(); }
/// Channels a block of a [.., C, ..] layout blocked over dimension 1: 1 for plain, 0 for anything else.
inline int channel_block(const dnnl::memory::desc& d) {
  const int inner = d.get_inner_nblks();
  if (inner == 0) return 1;
  if (inner != 1 || d.get_inner_idxs()[0] != 1) return 0;
  return static_cast<int>(d.get_inner_blks()[0]);
}

#else

inline auto conv_forward_pd(const dnnl::engine& e, dnnl::prop_kind kind, const ConvDescriptor& d,
                            const dnnl::primitive_attr& attr) {
  const dnnl::convolution_forward::desc op(kind, dnnl::algorithm::convolution_direct, d.src, d.weights, d.dst,
                                           d.strides, d.padding, d.padding);
  return dnnl::convolution_forward::primitive_desc(op, attr, e);
}
inline auto conv_backward_data_pd(const dnnl::engine& e, const ConvDescriptor& d,
                                  const dnnl::convolution_forward::primitive_desc& hint,
                                  const dnnl::primitive_attr& attr) {
  const dnnl::convolution_backward_data::desc op(dnnl::algorithm::convolution_direct, d.src, d.weights, d.dst,
                                                 d.strides, d.padding, d.padding);
  return dnnl::convolution_backward_data::primitive_desc(op, attr, e, hint);
}
inline auto conv_backward_weights_pd(const dnnl::engine& e, const ConvDescriptor& d,
                                     const dnnl::convolution_forward::primitive_desc& hint,
                                     const dnnl::primitive_attr& attr) {
  const dnnl::convolution_backward_weights::desc op(dnnl::algorithm::convolution_direct, d.src, d.weights,
                                                    d.dst, d.strides, d.padding, d.padding);
  return dnnl::convolution_backward_weights::primitive_desc(op, attr, e, hint);
}
inline auto fc_forward_pd(const dnnl::engine& e, dnnl::prop_kind kind, const dnnl::memory::desc& src,
                          const dnnl::memory::desc& weights, const dnnl::memory::desc& bias,
                          const dnnl::memory::desc& dst, const dnnl::primitive_attr& attr) {
  return dnnl::inner_product_forward::primitive_desc(
      dnnl::inner_product_forward::desc(kind, src, weights, bias, dst), attr, e);
}
inline auto fc_backward_data_pd(const dnnl::engine& e, const dnnl::memory::desc& src,
                                const dnnl::memory::desc& weights, const dnnl::memory::desc& dst,
                                const dnnl::inner_product_forward::primitive_desc& hint,
                                const dnnl::primitive_attr& attr) {
  return dnnl::inner_product_backward_data::primitive_desc(
      dnnl::inner_product_backward_data::desc(src, weights, dst), attr, e, hint);
}
inline auto fc_backward_weights_pd(const dnnl::engine& e, const dnnl::memory::desc& src,
                                   const dnnl::memory::desc& weights, const dnnl::memory::desc& bias,
                                   const dnnl::memory::desc& dst,
                                   const dnnl::inner_product_forward::primitive_desc& hint,
                                   const dnnl::primitive_attr& attr) {
  return dnnl::inner_product_backward_weights::primitive_desc(
      dnnl::inner_product_backward_weights::desc(src, weights, bias, dst), attr, e, hint);
}
inline dnnl::memory::dims dims_of(const dnnl::memory::desc& d) { return d.dims(); }
inline int channel_block(const dnnl::memory::desc& d) {
  const auto& blocking = d.data.format_desc.blocking;
  if (d.data.format_kind != dnnl_blocked) return 0;
  if (blocking.inner_nblks == 0) return 1;
  if (blocking.inner_nblks != 1 || blocking.inner_idxs[0] != 1) return 0;
  return static_cast<int>(blocking.inner_blks[0]);
}

#endif

}  // namespace qcface::nn::cpu
