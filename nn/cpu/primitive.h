// A oneDNN primitive with its arguments bound once, so that running it only sets pointers.
#pragma once

#include <unordered_map>
#include <utility>

#include "nn/cpu/dnnl_compat.h"

namespace qcface::nn::cpu {

inline std::size_t aligned_bytes(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

class BoundPrimitive {
 public:
  BoundPrimitive() = default;
  BoundPrimitive(const dnnl::engine& engine, dnnl::primitive primitive,
                 const std::unordered_map<int, dnnl::memory::desc>& arguments)
      : primitive_(std::move(primitive)) {
    for (const auto& [id, descriptor] : arguments)
      arguments_.emplace(id, dnnl::memory(descriptor, engine, DNNL_MEMORY_NONE));
  }
  explicit operator bool() const { return static_cast<bool>(primitive_); }
  void set(int id, const void* data) { arguments_.at(id).set_data_handle(const_cast<void*>(data)); }
  void run(dnnl::stream& stream) {
    primitive_.execute(stream, arguments_);
    stream.wait();
  }

 private:
  dnnl::primitive primitive_;
  std::unordered_map<int, dnnl::memory> arguments_;
};

/// An argument that the primitive may want in another layout than the one it is kept in. The copy lives in the
/// layer's scratch, at an offset chosen when the layer is compiled.
class Adapted {
 public:
  Adapted() = default;
  /// scratch: end of the scratch so far; grows if a copy is needed.
  Adapted(const dnnl::engine& engine, const dnnl::memory::desc& kept, const dnnl::memory::desc& wanted,
          bool output, std::size_t& scratch)
      : needed_(kept != wanted), offset_(scratch) {
    if (!needed_) return;
    scratch += aligned_bytes(wanted.get_size());
    const dnnl::memory::desc& from = output ? wanted : kept;
    const dnnl::memory::desc& to = output ? kept : wanted;
    reorder_ = BoundPrimitive(engine, dnnl::reorder(dnnl::reorder::primitive_desc(engine, from, engine, to)),
                              {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
  }
  /// Where the primitive reads or writes.
  void* place(const void* kept, void* scratch) const {
    return needed_ ? static_cast<char*>(scratch) + offset_ : const_cast<void*>(kept);
  }
  void before(const void* kept, void* scratch, dnnl::stream& stream) {
    if (needed_) convert(kept, place(kept, scratch), stream);
  }
  void after(void* kept, void* scratch, dnnl::stream& stream) {
    if (needed_) convert(place(kept, scratch), kept, stream);
  }

 private:
  void convert(const void* from, void* to, dnnl::stream& stream) {
    reorder_.set(DNNL_ARG_FROM, from);
    reorder_.set(DNNL_ARG_TO, to);
    reorder_.run(stream);
  }
  bool needed_ = false;
  std::size_t offset_ = 0;
  BoundPrimitive reorder_;
};

/// Primitives get their scratch memory from the arena instead of allocating it.
inline dnnl::primitive_attr planned_scratch() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

}  // namespace qcface::nn::cpu
