// The hand-written kernels of the chunked plan, one host function a launch. Everything is enqueued on `stream`; nothing
// allocates or synchronises.
#pragma once

#include "kernels/cuda/layout.h"
#include "kernels/device/runtime.h"
#include "qcface/kernels.h"

namespace qcface::kernels::cuda {

/// wide [count] = the 16-bit values.
cudaError_t widen(const void* values, qcf_type type, std::int64_t count, float* wide, cudaStream_t stream);

/// unit [rows, stride] = rows of matrix [matrix_rows, d] divided by max(length, 1e-12), columns past d zero; length [rows] or
/// NULL. places [rows]: which rows of the matrix, or NULL for the first ones. With errors, a row with NaN or infinity is recorded under `tensor`.
cudaError_t unit_rows(std::int64_t rows, std::int64_t d, std::int64_t stride, const float* matrix,
                      const std::int64_t* places, std::int64_t matrix_rows, qcf_type type, void* unit,
                      double* length, ErrorRecord* errors, ErrorTensor tensor, cudaStream_t stream);

/// First launch of a stage: notes it, or records that it came out of order. Prepare also clears the record. Inputs that
/// are given must be finite.
struct StageInputs {
  const float* t = nullptr;
  const double* target_mean = nullptr;
  const float* length_stats = nullptr;
  const double* length_moments = nullptr;
  const float* lr = nullptr;
};
cudaError_t begin_stage(const Layout& layout, Stage stage, const StageInputs& inputs, cudaStream_t stream);

/// label (sampled checked), then (after unit_rows of x) target, target_inv_w and the sorted labels.
cudaError_t local_labels(const Layout& layout, const qcf_head_args& args, cudaStream_t stream);
cudaError_t target_cosines(const Layout& layout, const qcf_head_args& args, cudaStream_t stream);

/// Updated t, margins, target cosines in fp32.
cudaError_t start_sums(const Layout& layout, const qcf_head_config& config, const qcf_head_args& args,
                       cudaStream_t stream);
/// Cosines of a chunk -> operand, shift, sum, counts; rescales the vectors of rows whose shift moved.
cudaError_t exponentials(const Layout& layout, const qcf_head_config& config, std::int64_t first_class,
                         std::int64_t classes, cudaStream_t stream);
/// shift and sum -> log_sums.
cudaError_t close_sums(const Layout& layout, cudaStream_t stream);

/// Row values, dx and the factors of the second pass; then losses and t.
cudaError_t finish_rows(const Layout& layout, const qcf_head_config& config, const qcf_head_args& args,
                        cudaStream_t stream);
cudaError_t finish_losses(const Layout& layout, const qcf_head_config& config, const qcf_head_args& args,
                          cudaStream_t stream);

/// Cosines of a chunk -> gradient operand.
cudaError_t factors(const Layout& layout, const qcf_head_config& config, std::int64_t first_class,
                    std::int64_t classes, cudaStream_t stream);
/// Finishes class rows first_class .. first_class + classes. h [classes, stride], or NULL for 0.
cudaError_t class_update(const ClassUpdate& update, std::int64_t first_class, std::int64_t classes,
                         const float* h, std::int64_t stride, cudaStream_t stream);

/// out [n, classes], rows `stride` apart: scale * clamp(out, -1, 1) in place.
cudaError_t scale_cosines(float* out, std::int64_t n, std::int64_t classes, std::int64_t stride, float scale,
                          cudaStream_t stream);

}  // namespace qcface::kernels::cuda
