// One head step (loss, dx, dw) on the CPU, for every head, beside the bare products that it contains.
//   qcface_bench_head --n 64 --d 512 --k 93431 --threads 2 [--heads qcface,arcface] [--json FILE]; --help lists all
// Right before fast: each head first runs a small case and then some rows of the timed one against plain double loops,
// and is not timed if it disagrees. Every sample of a step is followed by one of the products, caches flushed before
// both; "/bare" is the median of these ratios. Rates count the products (8 N K D flops), not the exponentials.
#include <malloc.h>
#include <omp.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <stdexcept>

#include "bench/head/options.h"
#include "bench/head/products.h"
#include "bench/head/reference.h"
#include "bench/record.h"
#include "harness/console/standard_streams.h"
#include "qcface/kernels.hpp"

namespace {

using namespace qcface::bench;

template <class T>
struct AlignedArray {
  explicit AlignedArray(std::size_t count)
      : data(static_cast<T*>(std::aligned_alloc(64, (count * sizeof(T) + 63) / 64 * 64 + 64))), size(count) {
    if (data == nullptr) throw std::bad_alloc();
    std::fill_n(data, count, T{});  // touched before the clock starts
  }
  ~AlignedArray() { std::free(data); }
  AlignedArray(const AlignedArray&) = delete;
  AlignedArray& operator=(const AlignedArray&) = delete;
  T* data;
  std::size_t size;
};

/// Overwrites an array larger than the caches, with all threads.
class CacheFlush {
 public:
  explicit CacheFlush(bool cold) : bytes_(cold ? std::max<std::size_t>(64u << 20, 2 * last_level()) : 1) {}
  void operator()() {
    unsigned char* data = bytes_.data;
    const auto size = static_cast<std::int64_t>(bytes_.size);
#pragma omp parallel for schedule(static)
    for (std::int64_t i = 0; i < size; i += 64) ++data[i];
  }

 private:
  static std::size_t last_level() {
    const long bytes = sysconf(_SC_LEVEL3_CACHE_SIZE);
    return bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
  }
  AlignedArray<unsigned char> bytes_;
};

/// Inputs at one shape and type of x; x also as fp32 of the same values.
struct Inputs {
  Inputs(std::int64_t rows, std::int64_t width, std::int64_t classes, qcf_type x_type)
      : n(rows),
        d(width),
        k(classes),
        type(x_type),
        x(static_cast<std::size_t>(n * d)),
        half(type == QCF_TYPE_F32 ? 0 : x.size),
        w(static_cast<std::size_t>(k * d)),
        labels(input_labels(n, k)) {
    set_type(type);
    fill_inputs(w.data, w.size, 2);
  }
  void set_type(qcf_type x_type) {
    type = x_type;
    fill_inputs(x.data, x.size, 1);
    if (type == QCF_TYPE_F32) return;
    half.resize(x.size);
    for (std::size_t i = 0; i < x.size; ++i) {
      half[i] = to_16_bit(x.data[i], type);
      x.data[i] = from_16_bit(half[i], type);
    }
  }
  std::int64_t n, d, k;
  qcf_type type;
  AlignedArray<float> x;
  std::vector<std::uint16_t> half;
  AlignedArray<float> w;
  std::vector<std::int64_t> labels;
};

/// Arguments of one head on some inputs, and its outputs.
class Step {
 public:
  Step(const HeadOptions& o, const std::string& name, Inputs& in, float* dw, float* velocity)
      : context(o.threads),
        config(qcface::make_head_config(qcface::head_from_name(name))),
        dx(static_cast<std::size_t>(in.n * in.d)),
        nll(static_cast<std::size_t>(in.n)),
        inputs(in) {
    select_isa(o.isa);
    config.phase = phase_of(o, config.kind);
    args.n = in.n;
    args.d = in.d;
    args.k_loc = in.k;
    args.x_type = in.type;
    args.x = in.type == QCF_TYPE_F32 ? static_cast<const void*>(in.x.data) : in.half.data();
    args.w = in.w.data;
    args.labels = in.labels.data();
    args.t = &t;
    args.length_stats = stats;
    args.losses = losses;
    args.row_nll = nll.data();
    if (!o.forward) args.dx = dx.data();
    if (o.sgd) {
      optimiser = {sizeof(optimiser), in.w.data, {velocity}, &lr, nullptr, 0.9f, 5e-4f};
      args.optimiser = &optimiser;
    } else if (!o.forward) {
      args.dw = dw;
    }
    args.workspace_bytes = qcface::head_workspace_bytes(context, config, args);
    workspace = std::make_unique<AlignedArray<unsigned char>>(args.workspace_bytes);
    args.workspace = workspace->data;
  }
  void run() { qcface::head_step(context, config, args); }

  qcface::KernelContext context;
  qcf_head_config config;
  qcf_head_args args = qcface::make_head_args();
  qcf_optimiser optimiser{};
  float t = 0, stats[2] = {20, 100}, lr = 0.1f;
  double losses[3] = {};
  std::vector<float> dx, nll;
  Inputs& inputs;

 private:
  void select_isa(const std::string& wanted) {
    if (wanted == "auto") return;
    for (const qcf_isa isa : {QCF_ISA_BASELINE, QCF_ISA_AVX2, QCF_ISA_AVX512}) {
      context.get()->isa = isa;
      if (qcf_isa_available(isa) != 0 && wanted == qcf_isa_name(context.get())) return;
    }
    throw std::invalid_argument("this machine does not run --isa " + wanted);
  }
  std::unique_ptr<AlignedArray<unsigned char>> workspace;
};

/// Largest relative error of what `step`, which has run once, says about the rows that the reference holds.
double disagreement(const Step& step, const Reference& reference, const Reference::Step& wanted) {
  double worst = 0;
  for (std::int64_t i = 0; i < reference.rows(); ++i) {
    const auto row = static_cast<std::size_t>(i);
    worst = worse(worst, std::fabs(step.nll[row] - wanted.nll[row]) / std::max(wanted.nll[row], 1.0));
    if (step.args.dx == nullptr) continue;
    worst = worse(worst, relative_error(step.dx.data() + i * step.inputs.d, reference.dx(wanted, i)));
  }
  return worst;
}

/// The whole step at a small shape: loss, dx of every row, dw (or w and velocity after the update) of every class.
double small_disagreement(const HeadOptions& o, const std::string& head, qcf_type type) {
  Inputs in(std::min<std::int64_t>(o.n.front(), 12), o.d, std::min<std::int64_t>(o.k.front(), 301), type);
  const std::size_t size = in.w.size;
  std::vector<float> dw(size), velocity(size), before(in.w.data, in.w.data + size);
  Step step(o, head, in, dw.data(), velocity.data());
  const Reference reference(in.n, in.d, in.k, in.n, in.x.data, before.data(), in.labels);
  const Reference::Step wanted = reference.step(step.config);
  step.run();
  double worst = worse(disagreement(step, reference, wanted),
                       std::fabs(step.losses[1] - wanted.loss_id) / std::max(wanted.loss_id, 1.0));
  if (o.forward) return worst;
  std::vector<double> all;
  for (std::int64_t j = 0; j < in.k; ++j) {
    for (const double g : reference.dw(wanted, j)) {
      const std::size_t at = all.size();
      all.push_back(o.sgd ? g + 5e-4f * static_cast<double>(before[at]) : g);
    }
  }
  if (!o.sgd) return worse(worst, relative_error(dw.data(), all));
  worst = worse(worst, relative_error(velocity.data(), all));
  for (std::size_t i = 0; i < size; ++i) all[i] = before[i] - 0.1 * all[i];
  return worse(worst, relative_error(in.w.data, all));
}

/// What a call costs beside its arithmetic: the median time of a step with next to none, in microseconds.
double call_us(const HeadOptions& o, const std::string& head, qcf_type type) {
  Inputs in(2, 8, 2, type);
  std::vector<float> dw(in.w.size), velocity(in.w.size);
  Step step(o, head, in, dw.data(), velocity.data());
  Samples samples;
  const HostClock clock;
  measure(
      {0, 0, 101, 101}, [&] { clock([&] { step.run(); }, &samples); }, [&] { samples = {}; });
  return 1e3 * samples.median();
}

/// Best rate of a square fp32 product: what the machine can do with this library and these threads, now.
double measured_peak(const TimingPlan& timing) {
  constexpr std::int64_t size = 1536;
  AlignedArray<float> a(size * size), b(size * size), c(size * size);
  fill_inputs(a.data, a.size, 5);
  fill_inputs(b.data, b.size, 6);
  Samples samples;
  const HostClock clock;
  measure(
      {std::min(1.0, timing.seconds), std::min(0.3, timing.warmup_seconds), timing.least, 100},
      [&] {
        clock([&] { sgemm(false, false, size, size, size, a.data, size, b.data, size, c.data, size); },
              &samples);
      },
      [&] { samples = {}; });
  return 2.0 * size * size * size / samples.quantile(0) * 1e-6;
}

std::string peak_text(double gflops) {
  char text[160];
  std::snprintf(text, sizeof text, "%.1f GFLOP/s, best fp32 product 1536^3 of %s in this run", gflops,
                product_library().c_str());
  return text;
}

/// What all measurements at one K and type of x share.
struct Bench {
  const HeadOptions& o;
  Inputs& in;
  std::unique_ptr<AlignedArray<float>> dw, velocity, table, vectors;
  CacheFlush flush;
  Row products;
  double peak = 0;

  Bench(const HeadOptions& options, Inputs& inputs, bool with_products, double peak_gflops)
      : o(options), in(inputs), flush(o.cache == "cold"), peak(peak_gflops) {
    if (!o.forward && (!o.sgd || with_products)) dw = std::make_unique<AlignedArray<float>>(in.w.size);
    if (o.sgd) velocity = std::make_unique<AlignedArray<float>>(in.w.size);
    products = row("products");
    if (!with_products) return;
    table = std::make_unique<AlignedArray<float>>(static_cast<std::size_t>(in.n * in.k));
    vectors = std::make_unique<AlignedArray<float>>(in.x.size);
    products.implementation = product_library();
    products.extra_bytes = table->size * sizeof(float) + vectors->size * sizeof(float);
    products.update = o.forward ? "none" : "dw";
  }

  Row row(const std::string& head) const {
    Row r;
    r.head = head;
    r.n = in.n;
    r.d = in.d;
    r.k = in.k;
    r.type = qcf_type_name(head == "products" ? QCF_TYPE_F32 : in.type);
    r.update = o.forward ? "none" : o.sgd ? "sgd" : "dw";
    r.flops = step_flops(in.n, in.d, in.k, o.forward);
    r.bytes = step_bytes(in.n, in.d, in.k, 4, o.sgd, o.forward);
    r.peak_gflops = peak;
    return r;
  }

  Row run(const std::string& head, const Reference& reference, double small_error) {
    Row r = row(head);
    malloc_trim(0);
    reset_resident_peak();
    const std::size_t before = resident_now();
    Step step(o, head, in, dw ? dw->data : nullptr, velocity ? velocity->data : nullptr);
    step.run();
    const std::size_t peak_bytes = resident_peak();
    r.extra_bytes = peak_bytes > before ? peak_bytes - before : 0;
    r.workspace_bytes = step.args.workspace_bytes;
    r.host_us = call_us(o, head, in.type);
    r.loss_id = step.losses[1];
    r.phase = step.config.phase == QCF_PHASE_NORM ? "norm" : "id";
    if (o.sgd) fill_inputs(in.w.data, in.w.size, 2);  // the reference reads the weights before the step
    r.error = worse(small_error, disagreement(step, reference, reference.step(step.config)));
    if (!(r.error < 2e-4)) return r;
    const HostClock clock;
    Samples bare;
    measure(
        o.timing,
        [&] {
          flush();
          clock([&] { step.run(); }, &r.samples);
          if (!table) return;
          flush();
          clock(
              [&] {
                step_products(in.n, in.d, in.k, in.x.data, in.w.data, table->data, vectors->data,
                              dw ? dw->data : nullptr, o.forward);
              },
              &bare);
        },
        [&] { r.samples = {}, bare = {}; });
    if (o.sgd) fill_inputs(in.w.data, in.w.size, 2);  // the next head starts from the same weights
    if (table) {
      Samples ratios;
      for (std::size_t i = 0; i < bare.ms.size(); ++i) ratios.ms.push_back(r.samples.ms[i] / bare.ms[i]);
      r.times_products = ratios.median();
      const double taken = static_cast<double>(products.samples.ms.size()),
                   more = static_cast<double>(bare.ms.size());
      products.samples.cpu_ms = (products.samples.cpu_ms * taken + bare.cpu_ms * more) / (taken + more);
      products.samples.ms.insert(products.samples.ms.end(), bare.ms.begin(), bare.ms.end());
    }
    return r;
  }
};

int run(const HeadOptions& o, const std::string& command) {
  Run out;
  qcface::KernelContext context(o.threads);
  if (o.isa != "auto") {
    for (const qcf_isa isa : {QCF_ISA_BASELINE, QCF_ISA_AVX2, QCF_ISA_AVX512}) {
      context.get()->isa = isa;
      if (o.isa == qcf_isa_name(context.get())) break;
    }
  }
  const bool with_products = o.products && !product_library().empty();
  out.program = "qcface_bench_head";
  out.command = command;
  out.device = "cpu";
  out.device_name = processor_name();
  out.isa = qcf_isa_name(context.get());
  out.threads = o.threads;
  out.cache = o.cache;
  out.libraries = std::string("qcface ") + qcf_version() + " " + out.isa;
  double peak = o.peak_tflops * 1e3;
  bool measuring_peak = false;
  if (peak > 0) {
    out.peak_source = "stated by --peak";
  } else if (with_products) {
    measuring_peak = true;
    peak = measured_peak(o.timing);
    out.peak_source = peak_text(peak);
  }
  if (with_products) out.libraries += "; products: " + product_library();
  if (!with_products)
    out.left_out.push_back(o.products ? "bare products: built without oneDNN and CBLAS"
                                      : "bare products: --no-products");
  if (!o.quiet) {
    print_header(out);
    if (!with_products) std::printf("%s\n", out.left_out.back().c_str());
  }
  const Budget budget(o.budget);
  int wrong = 0;
  for (std::size_t shape = 0; shape < o.n.size() * o.k.size(); ++shape) {
    Inputs in(o.n[shape / o.k.size()], o.d, o.k[shape % o.k.size()], QCF_TYPE_F32);
    for (const std::string& type : o.types) {
      in.set_type(type_from_name(type));
      // few rows at full size: the small case has covered every output
      const Reference reference(in.n, in.d, in.k, 3, in.x.data, in.w.data, in.labels);
      Bench bench(o, in, with_products, peak);
      for (const std::string& head : o.heads) {
        if (budget.used_up()) {
          out.left_out.push_back(head + " " + type + " N " + std::to_string(in.n) + " K " +
                                 std::to_string(in.k) + ": not started, --budget was used up");
          continue;
        }
        // Once more beside each head: on a machine that others use, the first moment may be a slow one.
        if (measuring_peak && o.timing.seconds > 0)
          bench.peak = bench.products.peak_gflops = peak = std::max(peak, measured_peak({0, 0, 3, 3}));
        const Row row = bench.run(head, reference, small_disagreement(o, head, in.type));
        if (!(row.error < 2e-4)) {
          std::fprintf(stderr, "qcface_bench_head: %s %s is off by %.2g of the reference: not timed\n",
                       head.c_str(), type.c_str(), row.error);
          out.left_out.push_back(head + " " + type + ": disagrees with the reference");
          ++wrong;
          continue;
        }
        if (!o.quiet) print_row(row);
        keep(&out, row, o.json);
      }
      if (with_products && !bench.products.samples.ms.empty()) {
        if (!o.quiet) print_row(bench.products);
        keep(&out, bench.products, o.json);
      }
    }
  }
  if (measuring_peak) {
    out.peak_source = peak_text(peak);
    for (Row& row : out.rows) row.peak_gflops = peak;
    if (!o.quiet) std::printf("peak at the end: %s\n", out.peak_source.c_str());
  }
  if (!o.json.empty()) write_json(out, o.json);
  return wrong == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  return qcface::run_program("qcface_bench_head", [&] {
    HeadOptions defaults;
    defaults.k = {93431};
    defaults.types = {"f32"};
    HeadOptions o = parse_head_options(argc, argv, defaults);
    // A fixed threshold: what is freed goes back to the system, so that the peak of resident memory can be told of
    // each head and not only of the first.
    mallopt(M_MMAP_THRESHOLD, 1 << 16);
    if (o.threads == 0) o.threads = omp_get_max_threads();
    omp_set_num_threads(o.threads);  // the products and the flush take as many threads as the step
    return run(o, command_line(argc, argv));
  });
}
