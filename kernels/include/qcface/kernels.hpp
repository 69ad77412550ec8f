// Thin C++ face of qcface/kernels.h: a context by value, and statuses turned into exceptions. Adds no state
// and no allocation of its own; all rules of kernels.h hold. Needs C++17.
#pragma once

#include <qcface/kernels.h>

#include <cstddef>
#include <stdexcept>
#include <string>

namespace qcface {

/// what() is the text of the failed call, for example "labels[3] = 10, expected 0 <= label < 10".
class KernelError : public std::runtime_error {
 public:
  /// status and text as the library gave them.
  KernelError(qcf_status status, const char* text) : std::runtime_error(text), status_(status) {}
  /// What the failed call returned.
  qcf_status status() const { return status_; }

 private:
  qcf_status status_;
};

/// Owns a qcf_context. Not to be used by two threads at once; make one for each.
class KernelContext {
 public:
  /// threads = 0: as many as OpenMP would use.
  explicit KernelContext(int threads = 0, qcf_device device = QCF_DEVICE_CPU) {
    qcf_context_init(&context_, device);
    context_.threads = threads;
  }
  /// For the calls of the C interface.
  qcf_context* get() { return &context_; }
  /// For reading settings and the error text.
  const qcf_context* get() const { return &context_; }
  /// Throws KernelError unless status is QCF_OK.
  void check(qcf_status status) const {
    if (status == QCF_OK) return;
    throw KernelError(status, context_.error[0] != '\0' ? context_.error : qcf_status_name(status));
  }

 private:
  qcf_context context_;
};

/// The head's published defaults.
inline qcf_head_config make_head_config(qcf_head_kind kind) {
  qcf_head_config config;
  qcf_head_config_init(&config, kind);
  return config;
}

/// All pointers NULL; set sizes, inputs and the outputs that are wanted.
inline qcf_head_args make_head_args() {
  qcf_head_args args;
  qcf_head_args_init(&args);
  return args;
}

/// SGD without momentum and decay, nothing set.
inline qcf_optimiser make_optimiser() {
  qcf_optimiser optimiser{};
  optimiser.struct_size = sizeof(optimiser);
  return optimiser;
}

/// Throws std::invalid_argument that lists the known names.
inline qcf_head_kind head_from_name(const std::string& name) {
  qcf_head_kind kind = QCF_HEAD_QCFACE;
  if (qcf_head_from_name(name.c_str(), &kind)) return kind;
  std::string known;
  for (int i = 0; i < qcf_head_count(); ++i) {
    known += (i == 0 ? "" : ", ") + std::string(qcf_head_name(static_cast<qcf_head_kind>(i)));
  }
  throw std::invalid_argument("unknown head '" + name + "': expected one of " + known);
}

inline std::size_t head_workspace_bytes(KernelContext& context, const qcf_head_config& config,
                                        const qcf_head_args& args) {
  std::size_t bytes = 0;
  context.check(qcf_head_workspace_bytes(context.get(), &config, &args, &bytes));
  return bytes;
}
inline void head_step(KernelContext& context, const qcf_head_config& config, const qcf_head_args& args) {
  context.check(qcf_head_step(context.get(), &config, &args));
}
inline void head_prepare(KernelContext& context, const qcf_head_config& config, const qcf_head_args& args) {
  context.check(qcf_head_prepare(context.get(), &config, &args));
}
inline void head_sums(KernelContext& context, const qcf_head_config& config, const qcf_head_args& args) {
  context.check(qcf_head_sums(context.get(), &config, &args));
}
inline void head_finish(KernelContext& context, const qcf_head_config& config, const qcf_head_args& args) {
  context.check(qcf_head_finish(context.get(), &config, &args));
}
inline void head_weights(KernelContext& context, const qcf_head_config& config, const qcf_head_args& args) {
  context.check(qcf_head_weights(context.get(), &config, &args));
}
inline qcf_head_exchange head_exchange(KernelContext& context, const qcf_head_config& config,
                                       const qcf_head_args& args) {
  qcf_head_exchange exchange{};
  context.check(qcf_head_exchange_view(context.get(), &config, &args, &exchange));
  return exchange;
}

}  // namespace qcface
