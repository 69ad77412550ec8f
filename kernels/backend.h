// What a device does for the C entries, as a table. api.cpp checks what every device has in common, fills a HeadCall and asks the
// table of the context's device; a further device is one more table.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/request.h"
#include "qcface/kernels.h"

namespace qcface::kernels {

/// The arguments of one call, checked, in structs of this build's size: what an older caller's lack has its default.
struct HeadCall {
  qcf_context* context = nullptr;
  qcf_head_config config;
  qcf_head_args args;  // args.optimiser is NULL or the next member
  qcf_optimiser optimiser;

  HeadCall() = default;
  HeadCall(const HeadCall&) = delete;
  HeadCall& operator=(const HeadCall&) = delete;
};

struct HeadBackend {
  /// The device of the context is there (CUDA: and is made current), its settings are in range.
  qcf_status (*check_context)(qcf_context* context);
  qcf_status (*open)(qcf_context* context);
  void (*close)(qcf_context* context);

  /// Resolves AUTO, or says why a forced plan cannot run.
  qcf_status (*plan)(const HeadCall& call, qcf_plan* plan);
  /// What calls with any number of rows up to this one's need.
  qcf_status (*workspace_bytes)(const HeadCall& call, std::size_t* bytes);
  qcf_status (*exchange)(const HeadCall& call, qcf_head_exchange* exchange);
  /// Stages first .. last, with one plan and one layout of the workspace. The stage before `first` must have been run on it.
  qcf_status (*run)(const HeadCall& call, Stage first, Stage last);
  qcf_status (*check)(const HeadCall& call);

  qcf_status (*unit_rows)(qcf_context* context, std::int64_t rows, std::int64_t d, const float* matrix,
                          qcf_type type, void* unit);
  qcf_status (*cosines_workspace_bytes)(qcf_context* context, std::int64_t n, std::int64_t d, std::int64_t k,
                                        std::size_t* bytes);
  qcf_status (*cosines)(qcf_context* context, std::int64_t n, std::int64_t d, std::int64_t k, const float* x,
                        const float* w, double scale, float* out, void* workspace);
};

extern const HeadBackend kCpuBackend, kCudaBackend;  // the second only in builds with CUDA

/// NULL: this build does not have the device.
const HeadBackend* head_backend(qcf_device device);

}  // namespace qcface::kernels
