// One head step on the GPU as the benchmark calls it, and its comparison with the reference on the host.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/head/device.h"
#include "bench/head/options.h"
#include "bench/head/reference.h"
#include "qcface/kernels.hpp"

namespace qcface::bench {

/// Context and arguments of one combination.
class Step {
 public:
  Step(const HeadOptions& o, const std::string& head, const std::string& plan, const std::string& type,
       Inputs& in, cudaStream_t stream)
      : context(0, QCF_DEVICE_CUDA),
        config(qcface::make_head_config(qcface::head_from_name(head))),
        inputs(in),
        dx(static_cast<std::size_t>(in.n * in.d)),
        nll(static_cast<std::size_t>(in.n)),
        losses(3),
        t(1),
        stats(std::vector<float>{20, 100}),
        lr(std::vector<float>{0.1f}) {
    config.phase = phase_of(o, config.kind);
    args.operand_type = type_from_name(type);
    context.get()->stream = stream;
    if (!qcf_plan_from_name(plan.c_str(), &context.get()->plan))
      throw std::invalid_argument("--plans " + plan + ": no such plan");
    in.reset();
    context.check(qcf_cuda_open(context.get()));
    args.n = in.n;
    args.d = in.d;
    args.k_loc = in.k;
    args.x = in.x.data();
    args.w = in.w.data();
    args.labels = in.device_labels.data();
    args.t = t.data();
    args.length_stats = stats.data();
    args.losses = losses.data();
    args.row_nll = nll.data();
    if (!o.forward) args.dx = dx.data();
    if (o.sgd) {
      optimiser = {sizeof(optimiser), in.w.data(), {in.velocity.data()}, lr.data(), nullptr, 0.9f, 5e-4f};
      args.optimiser = &optimiser;
    } else if (!o.forward) {
      args.dw = in.dw.data();
    }
    check(cudaDeviceSynchronize(),
          "inputs");  // they were written on the default stream, which ours does not wait for
    if (args.operand_type != QCF_TYPE_F32) {
      args.unit_w = in.unit.data();
      context.check(qcf_unit_rows(context.get(), in.k, in.d, in.w.data(), args.operand_type, in.unit.data()));
    }
    args.workspace_bytes = qcface::head_workspace_bytes(context, config, args);
    check(cudaMalloc(&args.workspace, args.workspace_bytes), "workspace");
  }
  ~Step() {
    cudaFree(args.workspace);
    qcf_cuda_close(context.get());
  }
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;

  void run() { qcface::head_step(context, config, args); }
  /// Waits, and throws for what the stages found wrong.
  void finish() { context.check(qcf_head_check(context.get(), &config, &args)); }

  qcface::KernelContext context;
  qcf_head_config config;
  qcf_head_args args = qcface::make_head_args();
  qcf_optimiser optimiser{};
  Inputs& inputs;
  Device<float> dx, nll;
  Device<double> losses;
  Device<float> t, stats, lr;
};

/// What the reference says of each head at one shape, worked out once: it is the same for all plans and types.
class Wanted {
 public:
  Wanted(const Inputs& in, std::int64_t rows)
      : in_(in), reference_(in.n, in.d, in.k, rows, in.host_x.data(), in.host_w.data(), in.labels) {}

  /// Largest relative error of a step that has run once, over the rows of the reference; with all rows there, of the
  /// class gradients or the velocity too.
  double disagreement(Step& step) {
    const Head& wanted = head(step.config, step.args.dx != nullptr);
    const auto rows = static_cast<std::size_t>(reference_.rows());
    const std::vector<float> nll = step.nll.host(rows);
    double worst = 0;
    for (std::size_t row = 0; row < rows; ++row)
      worst = worse(worst, std::fabs(nll[row] - wanted.step.nll[row]) / std::max(wanted.step.nll[row], 1.0));
    if (step.args.dx == nullptr) return worst;
    worst = worse(worst, relative_error(step.dx.host(wanted.dx.size()).data(), wanted.dx));
    if (reference_.rows() != in_.n) return worst;
    const bool sgd = step.args.optimiser != nullptr;
    const std::vector<float> ours = sgd ? step.inputs.velocity.host() : step.inputs.dw.host();
    std::vector<double> all;
    for (std::int64_t j = 0; j < in_.k; ++j) {
      for (const double g : reference_.dw(wanted.step, j)) {
        const double decay = sgd ? 5e-4f * static_cast<double>(in_.host_w[all.size()]) : 0;
        all.push_back(g + decay);
      }
    }
    return worse(worst, relative_error(ours.data(), all));
  }

 private:
  struct Head {
    Reference::Step step;
    std::vector<double> dx;  // of all rows of the reference
  };
  const Head& head(const qcf_head_config& config, bool with_dx) {
    const auto found = heads_.find(config.kind);
    if (found != heads_.end()) return found->second;
    Head made{reference_.step(config), {}};
    for (std::int64_t i = 0; with_dx && i < reference_.rows(); ++i) {
      for (const double g : reference_.dx(made.step, i)) made.dx.push_back(g);
    }
    return heads_.emplace(config.kind, std::move(made)).first->second;
  }

  const Inputs& in_;
  Reference reference_;
  std::map<int, Head> heads_;
};

}  // namespace qcface::bench
