// Which backend a test program runs: the CPU, the CUDA sources on fibers (QCF_EMULATE) or a GPU (QCFACE_TEST_CUDA). The
// tests hold their arrays on the host; CallArgs puts them where the backend wants them.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "qcface/kernels.hpp"
#include "tests/support/catch.h"

#if defined(QCF_EMULATE) || defined(QCFACE_TEST_CUDA)
#define QCFACE_ON_CUDA 1
#include "kernels/device/runtime.h"
#include "tests/support/device_buffer.h"
#else
#define QCFACE_ON_CUDA 0
#endif

namespace qcface::test {

inline constexpr bool kOnCuda = QCFACE_ON_CUDA != 0;

/// How the next runs run. Tests set it through WithSetup.
struct Setup {
  qcf_plan plan = QCF_PLAN_AUTO;
  qcf_type type = QCF_TYPE_F32;
  bool unit_w = false;  // keep the unit rows of w outside the call, where D % 8 == 0
};
inline Setup& setup() {
  static Setup current;
  return current;
}
class WithSetup {
 public:
  explicit WithSetup(const Setup& next) : before_(setup()) { setup() = next; }
  ~WithSetup() { setup() = before_; }
  WithSetup(const WithSetup&) = delete;
  WithSetup& operator=(const WithSetup&) = delete;

 private:
  Setup before_;
};

/// The plans that take 16-bit operands, as far as the device runs them.
inline std::vector<qcf_plan> half_plans() {
  std::vector<qcf_plan> plans = {QCF_PLAN_CHUNKED, QCF_PLAN_MMA};
#if QCFACE_ON_CUDA
  qcface::cuda::DeviceFacts facts;
  check_cuda(qcface::cuda::device_facts(0, &facts));
  if (facts.architecture() == 90) plans.push_back(QCF_PLAN_WGMMA);
#endif
  return plans;
}

inline bool backend_ready() {
#ifdef QCFACE_TEST_CUDA
  return qcface::cuda::device_count() > 0;
#else
  return true;
#endif
}
/// First line of every test case that runs a head.
#define QCFACE_NEEDS_BACKEND()                                                   \
  do {                                                                           \
    if (!::qcface::test::backend_ready()) QCFACE_SKIP("no GPU on this machine"); \
  } while (false)

#ifdef QCF_EMULATE
/// The pretended device's L2 cache decides the chunk of classes. As a rule it is small here, so that a few hundred classes
/// make several chunks; tests of one chunk's remainders make it smaller, large ones larger.
class WithL2 {
 public:
  explicit WithL2(std::size_t bytes) : before_(emulation::device().l2_bytes) {
    emulation::device().l2_bytes = bytes;
  }
  ~WithL2() { emulation::device().l2_bytes = before_; }
  WithL2(const WithL2&) = delete;
  WithL2& operator=(const WithL2&) = delete;

 private:
  std::size_t before_;
};
namespace detail {
inline const bool small_cache = [] {
  emulation::device().l2_bytes = 256 << 10;
  return true;
}();
}  // namespace detail
#else
class WithL2 {
 public:
  explicit WithL2(std::size_t) {}
  ~WithL2() {}
};
#endif

/// An open context of the backend.
class TestContext : public KernelContext {
 public:
  explicit TestContext(int threads = 2) : KernelContext(threads, kOnCuda ? QCF_DEVICE_CUDA : QCF_DEVICE_CPU) {
    get()->plan = setup().plan;
    check(qcf_cuda_open(get()));
  }
  ~TestContext() {
    if (get()->device == (kOnCuda ? QCF_DEVICE_CUDA : QCF_DEVICE_CPU)) qcf_cuda_close(get());
  }
  TestContext(const TestContext&) = delete;
  TestContext& operator=(const TestContext&) = delete;
};

#if QCFACE_ON_CUDA

// Behind and before every array lie bytes that must not change; with AddressSanitizer nothing, because it sees more.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr std::size_t kDeviceGuard = 0;
#else
inline constexpr std::size_t kDeviceGuard = 256;
#endif

/// Device memory that mirrors a host array.
class Mirror {
 public:
  Mirror(const void* host_in, void* host_out, std::size_t bytes)
      : out_(host_out), bytes_(bytes), buffer_(bytes + 2 * kDeviceGuard) {
    check_cuda(cudaMemset(buffer_.data(), 0xA5, buffer_.size()));
    if (host_in != nullptr) check_cuda(cudaMemcpy(data(), host_in, bytes, cudaMemcpyHostToDevice));
  }
  unsigned char* data() { return buffer_.data() + kDeviceGuard; }
  /// Copies outputs back; false if a guard changed.
  bool download() {
    const std::vector<unsigned char> all = buffer_.host();
    if (out_ != nullptr && bytes_ > 0) std::memcpy(out_, all.data() + kDeviceGuard, bytes_);
    for (std::size_t i = 0; i < kDeviceGuard; ++i) {
      if (all[i] != 0xA5 || all[all.size() - 1 - i] != 0xA5) return false;
    }
    return true;
  }

 private:
  void* out_;
  std::size_t bytes_;
  DeviceBuffer<unsigned char> buffer_;
};

#endif

template <class T>
std::vector<T> read_array(const T* from, std::size_t count) {
  std::vector<T> values(count);
#if QCFACE_ON_CUDA
  check_cuda(cudaDeviceSynchronize());
  check_cuda(cudaMemcpy(values.data(), from, count * sizeof(T), cudaMemcpyDeviceToHost));
#else
  std::memcpy(values.data(), from, count * sizeof(T));
#endif
  return values;
}
template <class T>
void write_array(T* to, const std::vector<T>& values) {
#if QCFACE_ON_CUDA
  check_cuda(cudaMemcpy(to, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice));
#else
  std::memcpy(to, values.data(), values.size() * sizeof(T));
#endif
}

/// Arguments with host pointers as the backend wants them, and a workspace. args() may be changed before a call.
class CallArgs {
 public:
  /// The operand type and the plan are the setup's; unit_w is made here if the setup keeps it.
  CallArgs(KernelContext& context, const qcf_head_args& host) : args_(host) {
#if QCFACE_ON_CUDA
    args_.operand_type = setup().type;
    const auto n = static_cast<std::size_t>(host.n), d = static_cast<std::size_t>(host.d);
    const auto k = static_cast<std::size_t>(host.k_loc);
    input(args_.x, (host.x_type == QCF_TYPE_F32 ? 4 : 2) * n * d);
    input(args_.w, 4 * k * d, host.optimiser != nullptr ? host.optimiser->w : nullptr);
    input(args_.labels, n * (host.label_type == QCF_LABEL_I64 ? 8 : 4));
    output(args_.t, 4);
    input(args_.target_mean, 8);
    output(args_.length_stats, 8);
    input(args_.length_moments, 16);
    input(args_.sampled, 8 * static_cast<std::size_t>(host.sampled_count));
    output(args_.losses, 24);
    for (float** row : {&args_.row_z, &args_.row_c, &args_.row_t, &args_.row_nll, &args_.row_one_minus_q,
                        &args_.row_p, &args_.row_zstar, &args_.row_lg, &args_.row_dz, &args_.row_tangent}) {
      output(*row, 4 * n);
    }
    output(args_.row_rank, 4 * n);
    output(args_.row_hard, 4 * n);
    for (float** matrix : {&args_.dx, &args_.dx_direction, &args_.dx_magnitude}) output(*matrix, 4 * n * d);
    output(args_.dw, 4 * (host.sampled != nullptr ? static_cast<std::size_t>(host.sampled_count) : k) * d);
    if (host.optimiser != nullptr) {
      sgd_ = *host.optimiser;
      sgd_.w = const_cast<float*>(args_.w);
      output(sgd_.slots[0], 4 * k * d);
      input(sgd_.lr, 4);
      input(sgd_.skip, 4);
      args_.optimiser = &sgd_;
    }
    const std::size_t element = setup().type == QCF_TYPE_F32 ? 4 : 2;
    if (host.unit_w != nullptr) {
      output(args_.unit_w, element * k * d);
    } else if (setup().unit_w && host.d % 8 == 0) {
      mirrors_.push_back(std::make_unique<Mirror>(nullptr, nullptr, element * k * d));
      args_.unit_w = mirrors_.back()->data();
      context.check(qcf_unit_rows(context.get(), host.k_loc, host.d, args_.w, setup().type, args_.unit_w));
    }
#else
    (void)context;
#endif
  }
  CallArgs(const CallArgs&) = delete;
  CallArgs& operator=(const CallArgs&) = delete;

  qcf_head_args& args() { return args_; }

  /// Gives args() a workspace of exactly the bytes that are asked for.
  void add_workspace(KernelContext& context, const qcf_head_config& config) {
    add_workspace(head_workspace_bytes(context, config, args_));
  }
  void add_workspace(std::size_t bytes) {
    args_.workspace_bytes = bytes;
#if QCFACE_ON_CUDA
    mirrors_.push_back(std::make_unique<Mirror>(nullptr, nullptr, bytes));
    args_.workspace = mirrors_.back()->data();
    check_cuda(cudaMemset(args_.workspace, 0xFF, bytes));
#else
    storage_.assign(bytes + 64 + kGuard, 0xFF);
    offset_ = (64 - reinterpret_cast<std::uintptr_t>(storage_.data()) % 64) % 64;
    std::memset(storage_.data() + offset_ + bytes, 0xA5, kGuard);
    args_.workspace = storage_.data() + offset_;
#endif
  }

  /// Brings outputs back to the host arrays; false if anything beside an array was written.
  bool download() {
    bool intact = true;
#if QCFACE_ON_CUDA
    for (auto& mirror : mirrors_) intact = mirror->download() && intact;
#else
    for (std::size_t i = 0; !storage_.empty() && i < kGuard; ++i) {
      intact = intact && storage_[offset_ + storage_.size() - 64 - kGuard + i] == 0xA5;
    }
#endif
    return intact;
  }

 private:
  qcf_head_args args_;
#if QCFACE_ON_CUDA
  template <class P>
  void input(P*& pointer, std::size_t bytes, void* back = nullptr) {
    if (pointer == nullptr) return;
    mirrors_.push_back(std::make_unique<Mirror>(pointer, back, bytes));
    pointer = reinterpret_cast<P*>(mirrors_.back()->data());
  }
  template <class P>
  void output(P*& pointer, std::size_t bytes) {
    if (pointer == nullptr) return;
    mirrors_.push_back(std::make_unique<Mirror>(pointer, pointer, bytes));
    pointer = reinterpret_cast<P*>(mirrors_.back()->data());
  }
  qcf_optimiser sgd_{};
  std::vector<std::unique_ptr<Mirror>> mirrors_;
#else
  static constexpr std::size_t kGuard = 64;
  std::vector<unsigned char> storage_;
  std::size_t offset_ = 0;
#endif
};

}  // namespace qcface::test
