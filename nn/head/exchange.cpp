#include "nn/head/exchange.h"

namespace qcface::nn {

void forward_stages(KernelContext& context, const qcf_head_config& config, const qcf_head_args& args,
                    Communicator& communicator) {
  qcf_head_exchange exchange{};
  const bool alone = communicator.size() == 1;
  if (!alone) exchange = head_exchange(context, config, args);
  const auto reduce = [&](double* values, Reduce how) {
    if (alone) return;
    const bool on_device = context.get()->device != QCF_DEVICE_CPU;
    communicator.all_reduce(array_of(values, 2, args.n, on_device), how, context.get()->stream);
  };
  head_prepare(context, config, args);
  reduce(exchange.target, Reduce::kSum);
  head_sums(context, config, args);
  reduce(exchange.log_sums, Reduce::kLogSumExp);
  reduce(exchange.counts, Reduce::kSum);
  head_finish(context, config, args);
}

void collect_dx(const float* dx_direction, const float* dx_magnitude, std::int64_t n, std::int64_t d,
                float* dx, Communicator& communicator) {
  const Share own = share_of(n, communicator.rank(), communicator.size());
  communicator.reduce_scatter(array_of(dx_direction, n, d), array_of(dx, own.count, d), Reduce::kSum);
  // Every rank has the whole of this part, so it is not in the sum.
  for (std::int64_t i = 0; i < own.count * d; ++i) dx[i] += dx_magnitude[own.first * d + i];
}

}  // namespace qcface::nn
