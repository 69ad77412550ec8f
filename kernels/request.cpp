#include "kernels/request.h"

#include "kernels/heads/table.h"

namespace qcface::kernels {

Request make_request(const qcf_head_config& config, const qcf_head_args& args) {
  const HeadRow& head = *head_row(config.kind);
  const bool wants_p = args.row_p != nullptr || args.row_zstar != nullptr || args.row_lg != nullptr;
  Request r{};
  r.n = args.n;
  r.d = args.d;
  r.k_total = args.k_total != 0 ? args.k_total : args.k_loc;
  r.offset = args.class_offset;
  r.w_rows = args.k_loc;
  r.sampled = args.sampled;
  r.classes = args.sampled != nullptr ? args.sampled_count : args.k_loc;
  r.w = args.w;
  r.batch = static_cast<double>(args.batch_total != 0 ? args.batch_total : args.n);
  r.plain = head.has_hard && ((config.phase == QCF_PHASE_NORM && head.has_magnitude_loss) || wants_p);
  r.vectors = args.dx != nullptr || args.dx_direction != nullptr || args.row_tangent != nullptr;
  r.weights = args.dw != nullptr || args.optimiser != nullptr;
  r.narrow = args.x_type != QCF_TYPE_F32;
  return r;
}

}  // namespace qcface::kernels
