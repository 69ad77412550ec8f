// The text of an error that a stage recorded in the workspace.
#include <cinttypes>

#include "kernels/check.h"
#include "kernels/cuda/passes.h"

namespace qcface::kernels::cuda {
qcf_status report(const HeadCall& call, const Layout& layout, unsigned long long key) {
  qcf_context* const context = call.context;
  const qcf_head_args& args = call.args;
  const auto row = static_cast<std::int64_t>(key & ((1ull << 56) - 1));
  const auto fetch = [&](auto value, const void* from) {
    (void)cudaMemcpy(&value, from, sizeof(value), cudaMemcpyDeviceToHost);
    return value;
  };
  const auto fetch_label = [&] {
    return args.label_type == QCF_LABEL_I64
               ? fetch(std::int64_t{0}, static_cast<const std::int64_t*>(args.labels) + row)
               : std::int64_t{fetch(std::int32_t{0}, static_cast<const std::int32_t*>(args.labels) + row)};
  };
  switch (static_cast<ErrorTensor>(key >> 56)) {
    case ErrorTensor::kStage:
      return fail(context, QCF_INVALID_ARGUMENT,
                  "workspace: this stage follows %s, but the last one run on it was %s", kStageNames[row & 7],
                  kStageNames[row >> 8 & 7]);
    case ErrorTensor::kT:
      return fail(context, QCF_NOT_FINITE, "t[0] = %g, expected a finite value",
                  static_cast<double>(fetch(0.0f, args.t)));
    case ErrorTensor::kTargetMean:
      return fail(context, QCF_NOT_FINITE, "target_mean[0] = %g, expected a finite value",
                  fetch(0.0, args.target_mean));
    case ErrorTensor::kRate:
      return fail(context, QCF_NOT_FINITE, "optimiser.lr[0] = %g, expected a finite value",
                  args.optimiser != nullptr ? static_cast<double>(fetch(0.0f, args.optimiser->lr)) : 0.0);
    case ErrorTensor::kLabels: {
      const std::int64_t label = fetch_label();
      return fail(context, QCF_LABEL_OUT_OF_RANGE,
                  "labels[%" PRId64 "] = %" PRId64 ", expected 0 <= label < %" PRId64, row, label,
                  layout.k_total);
    }
    case ErrorTensor::kX:
      return fail(context, QCF_NOT_FINITE, "x: row %" PRId64 " of %" PRId64 " holds NaN or infinity", row,
                  layout.n);
    case ErrorTensor::kW:
      return fail(context, QCF_NOT_FINITE, "w: row %" PRId64 " of %" PRId64 " holds NaN or infinity",
                  layout.sampled != nullptr ? fetch(std::int64_t{0}, layout.sampled + row) : row,
                  layout.w_rows);
    case ErrorTensor::kLengthStats:
      return fail(context, QCF_NOT_FINITE, "length_stats[%" PRId64 "] = %g, expected a finite value", row,
                  static_cast<double>(fetch(0.0f, args.length_stats + row)));
    case ErrorTensor::kLengthMoments:
      return fail(context, QCF_NOT_FINITE, "length_moments[%" PRId64 "] = %g, expected a finite value", row,
                  fetch(0.0, args.length_moments + row));
    case ErrorTensor::kSampled:
      return fail(context, QCF_INVALID_ARGUMENT,
                  "sampled[%" PRId64 "] = %" PRId64 ", expected ascending rows of w below %" PRId64, row,
                  fetch(std::int64_t{0}, layout.sampled + row), layout.w_rows);
    case ErrorTensor::kNotSampled: {
      const std::int64_t label = fetch_label();
      return fail(context, QCF_LABEL_OUT_OF_RANGE,
                  "labels[%" PRId64 "] = %" PRId64 ": its row %" PRId64 " of w is not in `sampled`", row,
                  label, label - layout.offset);
    }
  }
  return fail(context, QCF_INVALID_ARGUMENT, "workspace: it holds no state of a head step");
}

}  // namespace qcface::kernels::cuda
