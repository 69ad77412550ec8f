#include "nn/cpu/cpu_backend.h"

#include <omp.h>

#include <cstdlib>
#include <cstring>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "core/error.h"
#include "kernels/device/parallel.h"

namespace qcface::nn::cpu {
namespace {

using Md = dnnl::memory::desc;
using Tag = dnnl::memory::format_tag;

constexpr std::size_t kHugePage = std::size_t{2} << 20;

void free_aligned(void* data, std::size_t) { std::free(data); }

/// The block that oneDNN's own choice for a typical convolution has on this processor.
int probe_block(const dnnl::engine& engine) {
  const auto any = [](dnnl::memory::dims dims) {
    return Md(std::move(dims), dnnl::memory::data_type::f32, Tag::any);
  };
  const ConvDescriptor d{any({4, 64, 28, 28}), any({64, 64, 3, 3}), any({4, 64, 28, 28}), {1, 1}, {1, 1}};
  const int block =
      channel_block(conv_forward_pd(engine, dnnl::prop_kind::forward_training, d, {}).src_desc());
  if (block == 8 || block == 16) return block;
#ifdef QCFACE_X86
  if (__builtin_cpu_supports("avx512f")) return 16;
#endif
  return 8;
}

}  // namespace

CpuBackend::CpuBackend(int threads)
    : threads_(resolve_threads(threads)), engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
  block_ = probe_block(engine_);
  kernels_ = &pointwise_kernels(block_);
}

std::string CpuBackend::name() const {
  const dnnl_version_t* v = dnnl_version();
  return fmt::format("oneDNN {}.{}.{}, {} threads, channel blocks of {}, {} loops", v->major, v->minor,
                     v->patch, threads_, block_, kernels_->name);
}

Memory CpuBackend::allocate(std::size_t bytes, const std::string& what) const {
  if (bytes == 0) return {};
  // Large blocks on huge pages: convolutions walk them with long strides.
  const std::size_t alignment = bytes >= kHugePage ? kHugePage : 64;
  const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* data = std::aligned_alloc(alignment, rounded);
  require(data != nullptr, "out of memory: {} MiB for {}; use a smaller batch", bytes >> 20, what);
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  if (alignment == kHugePage)
    madvise(data, rounded, MADV_HUGEPAGE);  // a hint; without it the pages are small
#endif
  std::memset(data, 0, rounded);
  return Memory(data, bytes, free_aligned);
}

void CpuBackend::copy_to_device(void* device, const void* host, std::size_t bytes) const {
  if (bytes > 0) std::memcpy(device, host, bytes);
}
void CpuBackend::copy_to_host(void* host, const void* device, std::size_t bytes) const {
  if (bytes > 0) std::memcpy(host, device, bytes);
}

std::unique_ptr<ParameterLayout> CpuBackend::weight_layout(const LoweredGraph& graph,
                                                           const Layer& layer) const {
  return layer.kind == LayerKind::kConv ? make_conv_layout(*this, graph, layer) : nullptr;
}

std::size_t CpuBackend::value_bytes(const Value& value, int n) const {
  const Shape& s = value.shape;
  const std::size_t channels =
      static_cast<std::size_t>(value.layout == Layout::kPlain ? s.channels : blocks(s.channels) * block_);
  return static_cast<std::size_t>(n) * channels * static_cast<std::size_t>(s.height) *
         static_cast<std::size_t>(s.width) * sizeof(float);
}

Md CpuBackend::descriptor(const Value& value, int n) const {
  const Shape& s = value.shape;
  const auto f32 = dnnl::memory::data_type::f32;
  if (s.flat) {
    if (value.layout == Layout::kPlain) return Md({n, s.channels}, f32, Tag::nc);
    return Md({n, s.channels}, f32, dnnl::memory::dims{blocks(s.channels) * block_, 1});
  }
  const Tag packed = block_ == 16 ? Tag::nChw16c : Tag::nChw8c;
  return Md({n, s.channels, s.height, s.width}, f32, value.layout == Layout::kPlain ? Tag::nchw : packed);
}

void CpuBackend::pack(const Shape& shape, int n, const float* plain, float* packed,
                      const float* scale) const {
  const std::int64_t pixels = std::int64_t{shape.height} * shape.width, cb = blocks(shape.channels),
                     width = block_;
  parallel_for(n * cb, threads_, [&](std::int64_t task) {
    const std::int64_t sample = task / cb, first = task % cb * width;
    float* const to = packed + task * pixels * width;
    for (std::int64_t c = 0; c < width; ++c) {
      const bool real = first + c < shape.channels;
      const std::int64_t plane = sample * shape.channels + first + c;
      const float factor = real && scale ? scale[plane] : 1.0f;
      for (std::int64_t i = 0; i < pixels; ++i)
        to[i * width + c] = real ? plain[plane * pixels + i] * factor : 0.0f;
    }
  });
}

void CpuBackend::unpack(const Shape& shape, int n, const float* packed, float* plain,
                        const float* scale) const {
  const std::int64_t pixels = std::int64_t{shape.height} * shape.width, cb = blocks(shape.channels),
                     width = block_;
  parallel_for(n * cb, threads_, [&](std::int64_t task) {
    const std::int64_t sample = task / cb, first = task % cb * width;
    const float* const from = packed + task * pixels * width;
    for (std::int64_t c = 0; c < width && first + c < shape.channels; ++c) {
      const std::int64_t plane = sample * shape.channels + first + c;
      const float factor = scale ? scale[plane] : 1.0f;
      for (std::int64_t i = 0; i < pixels; ++i) plain[plane * pixels + i] = from[i * width + c] * factor;
    }
  });
}

void CpuBackend::import_value(const Value& value, int n, const float* canonical, void* target) const {
  float* const device = static_cast<float*>(target);
  if (value.layout == Layout::kPacked) return pack(value.shape, n, canonical, device, nullptr);
  const auto sample = static_cast<std::int64_t>(value.shape.elements());
  parallel_for(n, threads_, [&](std::int64_t i) {
    std::memcpy(device + i * sample, canonical + i * sample,
                static_cast<std::size_t>(sample) * sizeof(float));
  });
}

void CpuBackend::export_value(const Value& value, int n, const void* source, float* canonical) const {
  const float* const device = static_cast<const float*>(source);
  if (value.layout == Layout::kPacked) return unpack(value.shape, n, device, canonical, nullptr);
  std::memcpy(canonical, device, static_cast<std::size_t>(n) * value.shape.elements() * sizeof(float));
}

void CpuBackend::accumulate(const Value& value, int n, void* target, const void* source) const {
  add(static_cast<float*>(target), static_cast<const float*>(source), value_bytes(value, n) / sizeof(float));
}

std::unique_ptr<CompiledLayer> CpuBackend::compile(const LoweredGraph& graph, const Layer& layer,
                                                   ParameterStore& parameters,
                                                   const CompileOptions& options) {
  try {
    switch (layer.kind) {
      case LayerKind::kConv:
        return make_conv(*this, graph, layer, parameters, options);
      case LayerKind::kPointwise:
        return make_pointwise(*this, graph, layer, parameters, options);
      case LayerKind::kCopy:
        return make_copy(*this, graph, layer, options);
      case LayerKind::kFullyConnected:
        return make_fully_connected(*this, graph, layer, parameters, options);
    }
  } catch (const dnnl::error& error) {
    fail("{}: oneDNN cannot build this layer for a batch of {}: {}", layer.name, options.n, error.what());
  }
  fail("{}: unknown kind of layer", layer.name);
}

// oneDNN splits work by the calling thread's OpenMP setting, both when a primitive is made and when it runs.
void CpuBackend::begin() {
  outer_threads_ = omp_get_max_threads();
  omp_set_num_threads(threads_);
}
void CpuBackend::end() { omp_set_num_threads(outer_threads_); }

}  // namespace qcface::nn::cpu

namespace qcface::nn {

std::unique_ptr<Backend> make_cpu_backend(int threads) { return std::make_unique<cpu::CpuBackend>(threads); }

}  // namespace qcface::nn
