// The fused plans: each of the two passes over the classes is one kernel, and no [N, K] array exists anywhere, not even a
// chunk of one. mma: mma.sync and cp.async (sm_80 and later). wgmma: wgmma and TMA, warp-specialised (sm_90a). Both
// leave the same arrays as the chunked plan does, so the stages before, between and after them are shared.
//
// Host functions; all pointers in the arguments are device memory, nothing here allocates or synchronises.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/class_update.h"
#include "kernels/cuda/error_record.h"
#include "kernels/device/runtime.h"
#include "qcface/kernels.h"

namespace qcface::kernels::cuda {

using ::qcface::cuda::DeviceFacts;

inline constexpr int kFusedRows = 64;    // rows of the stationary tile
inline constexpr int kFusedWidth = 512;  // widest D
inline constexpr int kFusedMaxParts = 256;

/// What decides whether a fused plan can run, and how.
struct FusedShape {
  qcf_type type;
  std::int64_t n, d, k_loc;
  bool has_unit_w;
  bool sampled;
};

/// NULL if the plan can run on this device, else the reason as half a sentence ("needs ...").
const char* mma_refusal(const DeviceFacts& facts, const FusedShape& shape);
const char* wgmma_refusal(const DeviceFacts& facts, const FusedShape& shape);

/// Into how many parts the first pass splits the classes, so that its blocks (row tiles x parts) fill the device in
/// whole waves. Depends on the sizes and the device only. 1 <= parts <= kFusedMaxParts, and what
/// they leave takes at most max(N (4 D + 32), 40 MiB + 16 N D) bytes.
int fused_parts(const DeviceFacts& facts, qcf_plan plan, const FusedShape& shape, bool vectors);
/// Bytes of the partial results of all parts.
std::size_t fused_partial_bytes(const FusedShape& shape, int parts, bool vectors);

/// What one part leaves for the combining kernel.
struct FusedPartials {
  float* vectors;        // [parts, N, D], only with vectors
  float* shift;          // [parts, 2, N]
  double* sum;           // [parts, 2, N]
  std::int32_t* counts;  // [parts, 2, N] classes above the label, hard negatives
};

/// One row of the second pass as its kernel streams it: 16 bytes, one asynchronous copy.
struct alignas(16) FusedRow {
  float margin, shift, factor;
  std::int32_t label;  // row of w, or -1
};

/// First pass: sums of exponentials, counts and the weighted class vectors.
struct FusedSums {
  qcf_head_kind kind;
  FusedShape shape;
  float s, mv_a;
  const float* t;             // [1] updated t of this step; read by heads that have it
  const void* unit_x;         // [N, D] operand type
  const void* unit_w;         // [K_loc, D] operand type
  const float* margin;        // [N] M_i
  const float* target_c;      // [N] c_iy
  const std::int64_t* label;  // [N] row of w, or -1
  bool plain, vectors;
  int parts;
  FusedPartials partials;
  // results
  float* shift;         // [2, N]
  double* sum;          // [2, N] relative to the shift; 0 for no class at all
  double* counts;       // [2, N]
  float* out_vectors;   // [N, D] relative to the shift; only with vectors
  ErrorRecord* errors;  // a class row with NaN is recorded
};

/// Second pass: class gradients, handed to the class update a row at a time.
struct FusedWeights {
  qcf_head_kind kind;
  FusedShape shape;
  float s, mv_a;
  double batch;  // B: no factor exceeds s / B
  const float* t;
  const void* unit_x;
  const void* unit_w;
  const float* margin;
  const float* shift;   // [N] log sums in fp32
  const float* factor;  // [N]
  const std::int64_t* label;
  FusedRow* rows;  // [N] scratch
  ClassUpdate update;
};

/// Parts -> sums, counts and vectors; the last launch of both plans' first pass.
cudaError_t fused_combine(const FusedSums& call, cudaStream_t stream);

/// margin, shift, factor, label -> rows; the first launch of both plans' second pass.
cudaError_t fused_rows(const FusedWeights& call, cudaStream_t stream);

cudaError_t mma_sums(const FusedSums& call, cudaStream_t stream);
cudaError_t mma_weights(const FusedWeights& call, cudaStream_t stream);
cudaError_t wgmma_sums(const FusedSums& call, cudaStream_t stream);
cudaError_t wgmma_weights(const FusedWeights& call, cudaStream_t stream);

}  // namespace qcface::kernels::cuda
