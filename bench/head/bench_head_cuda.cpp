// One head step on the GPU, timed with events: every head, plan and operand type that the device runs, with the
// optimiser's update fused into the step, beside the bare products that it contains.
//   qcface_bench_head_cuda [--n 512,...] [--k 93431,360232,1000000] [--heads A,B] [--plans chunked,mma,wgmma]
//                          [--types f32,bf16,f16] [--json FILE]; --help lists all
// Right before fast: each combination first runs a small case and then some rows of the timed one against plain double
// loops on the host, and is not timed if it disagrees. The L2 cache is flushed before every sample. Exit status 77 where
// there is no GPU.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>

#include "bench/head/device.h"
#include "bench/head/options.h"
#include "bench/head/products_cuda.h"
#include "bench/head/reference.h"
#include "bench/record.h"
#include "kernels/cuda/runtime.h"
#include "qcface/kernels.hpp"

namespace {

using namespace qcface::bench;

/// Time between two events on the default stream.
class EventClock {
 public:
  EventClock() {
    check(cudaEventCreate(&begin_), "event");
    check(cudaEventCreate(&end_), "event");
  }
  ~EventClock() {
    cudaEventDestroy(begin_);
    cudaEventDestroy(end_);
  }
  EventClock(const EventClock&) = delete;
  EventClock& operator=(const EventClock&) = delete;

  template <class Work>
  void operator()(Work&& work, Samples* samples) {
    check(cudaEventRecord(begin_, nullptr), "event");
    work();
    check(cudaEventRecord(end_, nullptr), "event");
    check(cudaEventSynchronize(end_), "step");
    float ms = 0;
    check(cudaEventElapsedTime(&ms, begin_, end_), "event");
    samples->ms.push_back(static_cast<double>(ms));
  }

 private:
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

bool sixteen_bits(const HeadOptions& o) {
  return std::any_of(o.types.begin(), o.types.end(), [](const std::string& t) { return t != "f32"; });
}

/// Context and arguments of one combination.
class Step {
 public:
  Step(const HeadOptions& o, const std::string& head, const std::string& plan, const std::string& type,
       Inputs& in)
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
      sgd = {in.w.data(), in.velocity.data(), lr.data(), nullptr, 0.9f, 5e-4f};
      args.sgd = &sgd;
    } else if (!o.forward) {
      args.dw = in.dw.data();
    }
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
  void finish() { context.check(qcf_head_check(context.get(), &config, &args)); }

  qcface::KernelContext context;
  qcf_head_config config;
  qcf_head_args args = qcface::make_head_args();
  qcf_sgd sgd{};
  Inputs& inputs;
  Device<float> dx, nll;
  Device<double> losses;
  Device<float> t, stats, lr;
};

/// Largest relative error of a step that has run once, over the rows of the reference; with all rows there, of the
/// class gradients or the velocity too.
double disagreement(Step& step, const Reference& reference) {
  const Inputs& in = step.inputs;
  const Reference::Step wanted = reference.step(step.config);
  const std::vector<float> nll = step.nll.host();
  double worst = 0;
  for (std::int64_t i = 0; i < reference.rows(); ++i) {
    const auto row = static_cast<std::size_t>(i);
    worst = std::max(worst, std::fabs(nll[row] - wanted.nll[row]) / std::max(wanted.nll[row], 1.0));
  }
  if (step.args.dx == nullptr) return worst;
  const std::vector<float> dx = step.dx.host();
  std::vector<double> all;
  for (std::int64_t i = 0; i < reference.rows(); ++i) {
    for (const double g : reference.dx(wanted, i)) all.push_back(g);
  }
  worst = std::max(worst, relative_error(dx.data(), all));
  if (reference.rows() != in.n) return worst;
  const bool sgd = step.args.sgd != nullptr;
  const std::vector<float> ours = sgd ? step.inputs.velocity.host() : step.inputs.dw.host();
  all.clear();
  for (std::int64_t j = 0; j < in.k; ++j) {
    for (const double g : reference.dw(wanted, j)) {
      const double decay = sgd ? 5e-4f * static_cast<double>(in.host_w[all.size()]) : 0;
      all.push_back(g + decay);
    }
  }
  return std::max(worst, relative_error(ours.data(), all));
}

double allowed(const std::string& type) { return type == "f32" ? 2e-4 : type == "f16" ? 2e-2 : 6e-2; }

std::size_t device_bytes_in_use() {
  std::size_t free_bytes = 0, all_bytes = 0;
  check(cudaMemGetInfo(&free_bytes, &all_bytes), "memory");
  return all_bytes - free_bytes;
}

/// Dense peak of the data sheet in GFLOP/s, where the name is known; else 0.
double sheet_peak(const std::string& name, const std::string& type) {
  const bool f32 = type == "f32";
  if (name.find("H100 PCIe") != std::string::npos) return f32 ? 51.2e3 : 756e3;
  if (name.find("H100") != std::string::npos || name.find("H200") != std::string::npos)
    return f32 ? 66.9e3 : 989.4e3;
  if (name.find("A100") != std::string::npos) return f32 ? 19.5e3 : 312e3;
  return 0;
}

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

int run(const HeadOptions& o, const std::string& command) {
  if (qcface::cuda::device_count() == 0) {
    std::fprintf(stderr, "qcface_bench_head_cuda: no usable GPU\n");
    return 77;
  }
  qcface::cuda::DeviceFacts facts;
  check(qcface::cuda::device_facts(0, &facts), "device");
  Run out;
  out.program = "qcface_bench_head_cuda";
  out.command = command;
  out.device = "cuda";
  out.device_name = facts.name;
  out.isa = "sm_" + std::to_string(facts.architecture());
  out.cache = o.cache;
#ifndef QCF_EMULATE
  int driver = 0, runtime = 0;
  check(cudaDriverGetVersion(&driver), "driver");
  check(cudaRuntimeGetVersion(&runtime), "runtime");
  out.driver = "supports CUDA " + version_text(driver);
  out.cuda = version_text(runtime);
#endif
  out.libraries = std::string("qcface ") + qcf_version() + " " + out.isa + "; products: cuBLASLt";
  out.peak_source = o.peak_tflops > 0                   ? "stated by --peak"
                    : sheet_peak(facts.name, "f32") > 0 ? "data sheet, dense"
                                                        : "";
  if (!o.quiet) print_header(out);
  Device<unsigned char> flushed(o.cache == "cold" ? 2 * facts.l2_bytes : 0);
  EventClock clock;
  int wrong = 0;
  const auto leave_out = [&](const std::string& what, const std::string& why) {
    if (!o.quiet) std::printf("%s: %s\n", what.c_str(), why.c_str());
    out.left_out.push_back(what + ": " + why);
  };
  const auto flush = [&] {
    if (flushed.data() != nullptr) check(cudaMemsetAsync(flushed.data(), 1, flushed.bytes()), "flush");
  };
  Inputs small(o, std::min<std::int64_t>(o.n.front(), 100), o.d, std::min<std::int64_t>(o.k.front(), 1003),
               sixteen_bits(o));
  const Reference small_reference(small.n, small.d, small.k, small.n, small.host_x.data(),
                                  small.host_w.data(), small.labels);
  for (std::size_t shape = 0; shape < o.n.size() * o.k.size(); ++shape) {
    const std::int64_t n = o.n[shape / o.k.size()], k = o.k[shape % o.k.size()];
    const std::string size = " N " + std::to_string(n) + " K " + std::to_string(k);
    std::unique_ptr<Inputs> inputs;
    try {
      inputs = std::make_unique<Inputs>(o, n, o.d, k, sixteen_bits(o));
    } catch (const std::exception& reason) {
      leave_out("inputs" + size, reason.what());
      cudaGetLastError();
      continue;
    }
    Inputs& in = *inputs;
    const Reference reference(in.n, in.d, in.k, 3, in.host_x.data(), in.host_w.data(), in.labels);
    for (const std::string& type : o.types) {
      std::unique_ptr<BareProducts> bare;
      try {
        if (o.products) bare = std::make_unique<BareProducts>(o, in, type);
      } catch (const std::exception& reason) {
        leave_out("bare products " + type + size, reason.what());
        cudaGetLastError();
      }
      Row row;
      row.n = in.n;
      row.d = in.d;
      row.k = k;
      row.type = type;
      row.flops = step_flops(in.n, in.d, k, o.forward);
      row.peak_gflops = o.peak_tflops > 0 ? 1e3 * o.peak_tflops : sheet_peak(facts.name, type);
      Row floor = row;
      floor.implementation = "cuBLASLt";
      floor.head = "products";
      floor.update = o.forward ? "none" : "dw";
      floor.bytes = step_bytes(in.n, in.d, k, type == "f32" ? 4 : 2, false, o.forward);
      if (bare) floor.extra_bytes = bare->extra_bytes();
      row.bytes = step_bytes(in.n, in.d, k, type == "f32" ? 4 : 2, o.sgd, o.forward);
      row.update = o.forward ? "none" : o.sgd ? "sgd" : "dw";
      for (const std::string& plan : o.plans) {
        for (const std::string& head : o.heads) {
          const std::string name = head + " " + plan + " " + type + size;
          try {
            Row r = row;
            r.head = head;
            r.plan = plan;
            {
              Step step(o, head, plan, type, small);
              step.run();
              step.finish();
              r.error = disagreement(step, small_reference);
            }
            const std::size_t before = device_bytes_in_use();
            Step step(o, head, plan, type, in);
            step.run();
            step.finish();
            const std::size_t after = device_bytes_in_use();
            r.extra_bytes = after > before ? after - before : 0;
            r.workspace_bytes = step.args.workspace_bytes;
            r.phase = step.config.phase == QCF_PHASE_NORM ? "norm" : "id";
            r.loss_id = step.losses.host()[1];
            r.error = std::max(r.error, disagreement(step, reference));
            if (!(r.error <= allowed(type))) {
              leave_out(name, "is off by " + std::to_string(r.error) + " of the reference, not timed");
              ++wrong;
              continue;
            }
            Samples products_ms;
            measure(
                o.timing,
                [&] {
                  flush();
                  clock([&] { step.run(); }, &r.samples);
                  if (!bare) return;
                  flush();
                  clock([&] { bare->run(); }, &products_ms);
                },
                [&] { r.samples = {}, products_ms = {}; });
            step.finish();
            if (bare) {
              Samples ratios;
              for (std::size_t i = 0; i < products_ms.ms.size(); ++i)
                ratios.ms.push_back(r.samples.ms[i] / products_ms.ms[i]);
              r.times_products = ratios.median();
              floor.samples.ms.insert(floor.samples.ms.end(), products_ms.ms.begin(), products_ms.ms.end());
            }
            if (!o.quiet) print_row(r);
            keep(&out, r, o.json);
          } catch (const std::exception& reason) {
            leave_out(name, reason.what());
            cudaGetLastError();
          }
        }
      }
      if (floor.samples.ms.empty()) continue;
      if (!o.quiet) print_row(floor);
      keep(&out, floor, o.json);
    }
  }
  if (!o.json.empty()) write_json(out, o.json);
  return wrong == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    HeadOptions defaults;
    defaults.n = {512};
    defaults.k = {93431, 360232, 1000000};
    defaults.plans = {"chunked", "mma", "wgmma"};
    defaults.types = {"f32", "bf16", "f16"};
    defaults.sgd = true;
    defaults.timing = {0.4, 0.1, 10, 400};  // more than 200 combinations by default, and events are precise
    return run(parse_head_options(argc, argv, defaults), command_line(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "qcface_bench_head_cuda: %s\n", error.what());
    return 1;
  }
}
