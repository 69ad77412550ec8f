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

}  // namespace qcface::nn
