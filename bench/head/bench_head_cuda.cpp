// One head step on the GPU: every head, plan and operand type that the device runs, with the optimiser's update fused into
// the step, beside the bare products that it contains.
//   qcface_bench_head_cuda [--n 512,...] [--k 93431,360232,1000000] [--heads A,B] [--plans chunked,mma,wgmma]
//                          [--types f32,bf16,f16] [--json FILE]; --help lists all
// Right before fast: each combination first runs a small case and then some rows of the timed one against plain double
// loops on the host, and is not timed if it disagrees. Times are of a captured CUDA graph that is replayed, as a training
// run replays its step; beside them, `ms_calls` is of separate calls and `host_us` what the host takes to enqueue one.
// The L2 cache is flushed before every sample, for as long as the host takes to launch the graph. Exit status 77 where there is no GPU.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>

#include "bench/head/device.h"
#include "bench/head/options.h"
#include "bench/head/products_cuda.h"
#include "bench/head/step_cuda.h"
#include "bench/record.h"
#include "harness/console/standard_streams.h"
#include "kernels/device/runtime.h"
#include "qcface/kernels.hpp"

namespace {

using namespace qcface::bench;

bool sixteen_bits(const HeadOptions& o) {
  return std::any_of(o.types.begin(), o.types.end(), [](const std::string& t) { return t != "f32"; });
}

double allowed(const std::string& type) { return type == "f32" ? 2e-4 : type == "f16" ? 2e-2 : 6e-2; }

/// Dense peak of the data sheet in GFLOP/s, where the name is known; else 0.
double sheet_peak(const std::string& name, const std::string& type) {
  const SheetRates sheet = sheet_rates(name);
  return type == "f32" ? sheet.f32_gflops : sheet.half_gflops;
}

/// A finished combination that disagrees with the reference.
struct Disagreement : std::runtime_error {
  explicit Disagreement(double error)
      : std::runtime_error("is off by " + std::to_string(error) + " of the reference, not timed") {}
};

class Bench {
 public:
  Bench(const HeadOptions& o, const qcface::cuda::DeviceFacts& facts, Run* out)
      : o_(o),
        facts_(facts),
        out_(*out),
        clock_(stream_),
        flushed_(o.cache == "cold" ? 2 * facts.l2_bytes : 0),
        budget_(o.budget),
        small_(o, std::min<std::int64_t>(o.n.front(), 100), o.d, std::min<std::int64_t>(o.k.front(), 1003),
               sixteen_bits(o)),
        small_wanted_(small_, small_.n) {}

  /// Number of combinations that disagreed or failed.
  int run() {
    for (const std::int64_t n : o_.n) {
      for (const std::int64_t k : o_.k) shape(n, k);
    }
    return wrong_;
  }

 private:
  void leave_out(const std::string& what, const std::string& why) {
    if (!o_.quiet) std::printf("%s: %s\n", what.c_str(), why.c_str());
    std::fflush(stdout);
    out_.left_out.push_back(what + ": " + why);
    if (!o_.json.empty() && o_.json != "-") write_json(out_, o_.json);
  }
  void flush(int times = 1) {
    for (int i = 0; i < times && flushed_.data() != nullptr; ++i)
      check(cudaMemsetAsync(flushed_.data(), 1, flushed_.bytes(), stream_), "flush");
  }
  /// Flushes that keep the device busy until the host has launched the graph, so that its time is not the host's. With
  /// `--cache warm` there is nothing to hide behind.
  int cover(Replay& replay) {
#ifdef QCF_EMULATE
    (void)replay;
    return 1;  // a launch returns when all is done
#else
    if (flushed_.data() == nullptr) return 0;
    Samples launch, one_flush;
    const HostClock host_clock;
    for (int i = 0; i < 3; ++i) {
      clock_([&] { flush(); }, &one_flush);
      host_clock([&] { replay(); }, &launch);
      stream_.wait();
    }
    return 1 + static_cast<int>(std::min(100.0, 1.5 * launch.median() / one_flush.median()));
#endif
  }

  void shape(std::int64_t n, std::int64_t k) {
    const std::string size = " N " + std::to_string(n) + " K " + std::to_string(k);
    if (budget_.used_up()) return leave_out("all" + size, "not started, --budget was used up");
    std::unique_ptr<Inputs> in;
    try {
      in = std::make_unique<Inputs>(o_, n, o_.d, k, sixteen_bits(o_));
    } catch (const std::exception& reason) {
      leave_out("inputs" + size, reason.what());
      cudaGetLastError();
      return;
    }
    Wanted wanted(*in, 3);
    for (const std::string& type : o_.types) operands(*in, wanted, type, size);
  }

  void operands(Inputs& in, Wanted& wanted, const std::string& type, const std::string& size) {
    if (budget_.used_up()) return leave_out("all " + type + size, "not started, --budget was used up");
    std::unique_ptr<BareProducts> bare;
    std::unique_ptr<Replay> replayed;
    try {
      if (o_.products) {
        bare = std::make_unique<BareProducts>(o_, in, type, stream_);
        bare->run();
        stream_.wait();
        replayed = std::make_unique<Replay>(stream_, [&] { bare->run(); });
      }
    } catch (const std::exception& reason) {
      leave_out("bare products " + type + size, reason.what());
      cudaGetLastError();
      replayed.reset();
      bare.reset();
    }
    Row row;
    row.n = in.n;
    row.d = in.d;
    row.k = in.k;
    row.type = type;
    row.flops = step_flops(in.n, in.d, in.k, o_.forward);
    row.peak_gflops = o_.peak_tflops > 0 ? 1e3 * o_.peak_tflops : sheet_peak(facts_.name, type);
    Row floor = row;
    floor.implementation = "cuBLASLt";
    floor.head = "products";
    floor.update = o_.forward ? "none" : "dw";
    floor.bytes = step_bytes(in.n, in.d, in.k, type == "f32" ? 4 : 2, false, o_.forward);
    if (bare) floor.extra_bytes = bare->extra_bytes();
    row.bytes = step_bytes(in.n, in.d, in.k, type == "f32" ? 4 : 2, o_.sgd, o_.forward);
    row.update = o_.forward ? "none" : o_.sgd ? "sgd" : "dw";
    // W and velocity read and written, 16-bit unit rows written: what the bare products do not move.
    const double rate = sheet_rates(facts_.name).gbytes;
    if (o_.sgd && rate > 0)
      row.more.emplace_back("optimiser_ms", static_cast<double>(in.k) * static_cast<double>(in.d) *
                                                (type == "f32" ? 16 : 18) / rate * 1e-6);
    for (const std::string& plan : o_.plans) {
      for (const std::string& head : o_.heads) {
        const std::string name = head + " " + plan + " " + type + size;
        if (budget_.used_up()) {
          leave_out(name, "not started, --budget was used up");
          continue;
        }
        row.head = head;
        row.plan = plan;
        try {
          const Row r = measured(row, name, in, wanted, replayed.get(), &floor);
          if (!o_.quiet) print_row(r);
          keep(&out_, r, o_.json);
        } catch (const Disagreement& reason) {
          leave_out(name, reason.what());
          ++wrong_;
        } catch (const qcface::KernelError& reason) {
          leave_out(name, reason.what());
          if (reason.status() != QCF_UNSUPPORTED) ++wrong_;  // not every plan takes every type and device
          cudaGetLastError();
        } catch (const std::exception& reason) {
          leave_out(name, reason.what());
          ++wrong_;
          cudaGetLastError();
        }
      }
    }
    if (floor.samples.ms.empty()) return;
    if (!o_.quiet) print_row(floor);
    keep(&out_, floor, o_.json);
  }

  /// Largest error at the small shape; the same for all sizes, so once for each head, plan and type.
  double small_error(const std::string& head, const std::string& plan, const std::string& type) {
    const std::string name = head + " " + plan + " " + type;
    const auto found = small_errors_.find(name);
    if (found != small_errors_.end()) return found->second;
    Step step(o_, head, plan, type, small_, stream_);
    step.run();
    step.finish();
    return small_errors_[name] = small_wanted_.disagreement(step);
  }

  Row measured(Row r, const std::string& name, Inputs& in, Wanted& wanted, Replay* bare, Row* floor) {
    r.error = small_error(r.head, r.plan, r.type);
    if (!(r.error <= allowed(r.type))) throw Disagreement(r.error);
    const std::size_t before = device_bytes_in_use();
    Step step(o_, r.head, r.plan, r.type, in, stream_);
    step.run();
    step.finish();
    const std::size_t after = device_bytes_in_use();
    r.extra_bytes = after > before ? after - before : 0;
    r.workspace_bytes = step.args.workspace_bytes;
    r.phase = step.config.phase == QCF_PHASE_NORM ? "norm" : "id";
    r.loss_id = step.losses.host()[1];
    r.error = worse(r.error, wanted.disagreement(step));
    if (!(r.error <= allowed(r.type))) throw Disagreement(r.error);

    std::unique_ptr<Replay> replayed;
    try {
      replayed = std::make_unique<Replay>(stream_, [&] { step.run(); });
    } catch (const std::exception& reason) {
      leave_out("graph of " + name, std::string(reason.what()) + "; its time is of separate calls");
      cudaGetLastError();
    }
    r.more.emplace_back("graph", replayed ? 1 : 0);
    const int before_step = replayed ? cover(*replayed) : 1, before_bare = bare != nullptr ? cover(*bare) : 0;
    Samples products_ms;
    measure(
        o_.timing,
        [&] {
          flush(before_step);
          clock_(
              [&] {
                if (replayed) {
                  (*replayed)();
                } else {
                  step.run();
                }
              },
              &r.samples);
          if (bare == nullptr) return;
          flush(before_bare);
          clock_([&] { (*bare)(); }, &products_ms);
        },
        [&] { r.samples = {}, products_ms = {}; });
    time_calls(step, &r);
    step.finish();
    if (bare != nullptr) {
      Samples ratios;
      for (std::size_t i = 0; i < products_ms.ms.size(); ++i)
        ratios.ms.push_back(r.samples.ms[i] / products_ms.ms[i]);
      r.times_products = ratios.median();
      floor->samples.ms.insert(floor->samples.ms.end(), products_ms.ms.begin(), products_ms.ms.end());
    }
    return r;
  }

  /// Separate calls on the device's clock, and the host's time in each: the device is idle when it starts, so that nothing
  /// but the call itself is waited for.
  void time_calls(Step& step, Row* r) {
    Samples host;
    const HostClock host_clock;
    measure(
        {o_.timing.seconds / 4, 0, o_.timing.least, 100},
        [&] {
          flush();
          stream_.wait();
          clock_([&] { host_clock([&] { step.run(); }, &host); }, &r->calls);
        },
        [&] { r->calls = {}, host = {}; });
    r->host_us = 1e3 * host.median();
  }

  const HeadOptions& o_;
  const qcface::cuda::DeviceFacts& facts_;
  Run& out_;
  Stream stream_;
  EventClock clock_;
  Device<unsigned char> flushed_;
  Budget budget_;
  Inputs small_;
  Wanted small_wanted_;
  std::map<std::string, double> small_errors_;
  int wrong_ = 0;
};

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
  device_versions(&out.driver, &out.cuda);
  out.libraries = std::string("qcface ") + qcf_version() + " " + out.isa + "; products: cuBLASLt";
  out.peak_source = o.peak_tflops > 0                   ? "stated by --peak"
                    : sheet_peak(facts.name, "f32") > 0 ? "data sheet, dense"
                                                        : "";
  if (!o.quiet) print_header(out);
  Bench bench(o, facts, &out);
  const int wrong = bench.run();
  if (!o.json.empty()) write_json(out, o.json);
  return wrong == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  return qcface::run_program("qcface_bench_head_cuda", [&] {
    HeadOptions defaults;
    defaults.n = {512};
    defaults.k = {93431, 360232, 1000000};
    defaults.plans = {"chunked", "mma", "wgmma"};
    defaults.types = {"f32", "bf16", "f16"};
    defaults.sgd = true;
    defaults.timing = {0.4, 0.1, 10, 400};  // more than 200 combinations by default, and events are precise
    return run(parse_head_options(argc, argv, defaults), command_line(argc, argv));
  });
}
