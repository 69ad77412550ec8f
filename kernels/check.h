// Argument checks shared by all entries, and how an error text is written into a context.
#pragma once

#include <cstdint>

#include "kernels/backend.h"
#include "qcface/kernels.h"

namespace qcface::kernels {

/// Formats into context->error (if there is a context) and returns status.
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
qcf_status
fail(qcf_context* context, qcf_status status, const char* format, ...);

/// Structs initialised, a device this build has, settings and sizes in range. Fills `call`.
qcf_status read_call(qcf_context* context, const qcf_head_config* config, const qcf_head_args* args,
                     HeadCall* call);
/// Pointers that a step reads or writes, and the workspace.
qcf_status check_pointers(const HeadCall& call, std::size_t workspace_bytes);
qcf_status check_context(qcf_context* context);
/// n, d, k positive (n may be 0) and their products below 2^58 elements.
qcf_status check_sizes(qcf_context* context, std::int64_t n, std::int64_t d, std::int64_t k);
qcf_status check_pointer(qcf_context* context, const void* pointer, const char* name, std::size_t alignment);

}  // namespace qcface::kernels
