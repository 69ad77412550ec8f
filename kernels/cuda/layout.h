// Sizes, the chunk of classes and the places in the workspace of the CUDA head: pure host functions of the arguments and
// the device's facts. Everything that decides a sum's order depends on these only.
//
// Chunked plan: classes are taken a chunk at a time, so that the chunk's arrays stay in the L2 cache between the product
// that writes them and the kernel that reads them.
//   sums      S [N, chunk] = xh wh^T;  P = exp(s N(S) - shift) N'(S);  vectors [N, D] += P wh
//   weights   S again;  G = factor exp(s N(S) - log sum) N'(S);  H [chunk, D] = G^T xh;  class update, which runs beside the
//             products of the next chunk (side_stream.h)
// Extra memory for any K: at most kMemoryBound + 32 N D bytes wherever the arrays without a class index leave room for a
// chunk of 8 classes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/class_update.h"
#include "kernels/cuda/error_record.h"
#include "kernels/cuda/fused.h"
#include "kernels/device/runtime.h"
#include "kernels/request.h"
#include "qcface/kernels.h"

namespace qcface::kernels::cuda {

inline constexpr std::size_t kMemoryBound = std::size_t{64} << 20;
inline constexpr std::int64_t kMostChunk = 8192;  // a row of cosines lies in 32 KiB of shared memory

/// First bytes of the workspace, in device memory: what one stage leaves for the next.
struct HeadState : StageState {
  ErrorRecord errors;
};

/// What bounds the chunk.
struct ChunkShape {
  std::int64_t n, d_pad, k_loc;
  std::size_t operand_bytes;  // 4 or 2
  std::size_t l2_bytes;
  std::size_t memory_bytes;  // for the chunk's arrays
  bool second = false;       // two buffers of H
};

/// Bytes that one class adds to the chunk's arrays as far as one chunk uses them, and to their memory: where H takes the
/// place of S (16-bit operands), a second buffer lets the class update of one chunk run beside the next chunk.
std::size_t chunk_class_bytes(std::int64_t n, std::int64_t d_pad, std::size_t operand_bytes);
std::size_t chunk_memory_bytes(std::int64_t n, std::int64_t d_pad, std::size_t operand_bytes, bool second);

/// Classes a chunk: what half the L2 cache holds (the rest is for what streams through), within the memory, at most
/// kMostChunk and K_loc; a multiple of 64, or of 8 where memory is short. At least 8.
std::int64_t chunk_classes(const ChunkShape& shape);

/// How far exponentials may rise above the running shift, so that an operand of the type holds them.
///   fp32, bf16: the shift moves when a logit exceeds it by more than 40, as on the CPU; e^40 is far inside the range.
///   fp16 ends at 65504 and thins out below 6e-5: the shift is set 2.5 above the highest it must bear, so that the
///   largest exponential lies near the top and 20 powers of e below it count; it moves within that margin.
struct ShiftPolicy {
  float lead;  // shift = highest logit - lead when it is set
  float lazy;  // it moves when a logit exceeds it by more than lazy
};
ShiftPolicy shift_policy(qcf_type type, const qcf_head_config& config);

/// Factor by which the gradient operand G is multiplied, a power of two: fp16 only, see ShiftPolicy. Undone in H.
float gradient_scale(qcf_type type, const qcf_head_config& config, double batch);

struct Layout : Request {
  qcf_plan plan;
  qcf_type type;
  std::int64_t d_pad;
  const float* x;  // as given, or widened
  std::int64_t chunk;
  int parts;  // fused plans: split of the first pass

  // places; row arrays have N entries
  HeadState* state;
  void* xh;                                // [N, d_pad] unit rows, columns past D are 0
  float* wide_x;                           // [N, D] a 16-bit x in fp32
  std::int64_t* label;                     // place among the classes, or -1 if another rank holds the class
  SortedLabel* labels;                     // [N]
  double *z, *target, *log_sums, *counts;  // [N]; [2, N] c_iy and S; [2, N]; [2, N]
  double* target_inv_w;                    // 1 / max(|w_y|, 1e-12), local labels only
  double *one_minus_q, *slope;             // 1 - q, T'
  double* row_losses;                      // [2, N] nll, excess
  float *margin, *target_c;                // M_i, c_iy
  float* shift;                            // [2, N] running shifts, of s N and of s c
  double* sum;                             // [2, N] relative to the shift
  float *log_shift, *factor;               // g_ij = factor exp(s N_ij - log_shift) N'_ij
  float* sums_vectors;                     // [N, d_pad] relative to the shift; only with vectors
  // a chunk's arrays
  void* wh;          // [chunk, d_pad] unit rows of w, unless unit_w is given
  float* cosines;    // [N, chunk]
  void* operand;     // [N, chunk] P or G; the same place as cosines for fp32
  float* gradients;  // [chunk, d_pad] H; the place of cosines for 16-bit operands
  float* second;     // such a place for every other chunk of the second pass, or NULL
  void* product_workspace;
  std::size_t product_workspace_bytes;
  // fused plans
  FusedPartials partials;
  FusedRow* fused_rows;

  std::size_t bytes;
};

/// base may be NULL when only sizes are wanted.
Layout make_layout(qcf_plan plan, const qcface::cuda::DeviceFacts& facts, const qcf_head_config& config,
                   const qcf_head_args& args, std::size_t product_workspace_bytes, void* base);

/// Bytes that the plan of every batch of 0 .. args.n rows fits into. Not those of args.n alone: a chunk is a whole number of
/// classes and the parts of a fused pass fill whole waves, so that a smaller batch can need more. `requested` as in
/// qcf_context.plan; it must be able to run.
std::size_t largest_layout_bytes(qcf_plan requested, const qcface::cuda::DeviceFacts& facts,
                                 const qcf_head_config& config, const qcf_head_args& args,
                                 std::size_t product_workspace_bytes);

/// Places of qcf_cosines, fp32 operands.
struct CosinesLayout {
  std::int64_t d_pad, chunk;
  float *xh, *wh;
  void* product_workspace;
  std::size_t bytes;
};
CosinesLayout make_cosines_layout(const qcface::cuda::DeviceFacts& facts, std::int64_t n, std::int64_t d,
                                  std::int64_t k, std::size_t product_workspace_bytes, void* base);

std::size_t type_bytes(qcf_type type);

}  // namespace qcface::kernels::cuda
