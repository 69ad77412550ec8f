// One head step (loss, dx, dw) timed: median, 20th and 80th percentile, GFLOP/s, workspace and peak memory.
//   qcface_bench_head --n 64 --d 512 --k 93431 --threads 2 --head qcface [--phase norm] [--seconds 3] [--forward] [--json]
// The rate counts the four products that the step does (8 N K D flops; 2 with --forward), not the exponentials.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "qcface/kernels.hpp"

namespace {

struct Options {
  std::int64_t n = 64, d = 512, k = 93431;
  int threads = 2;
  std::string head = "qcface", phase = "norm", isa = "auto";
  double seconds = 3;
  bool forward = false, json = false;
};

[[noreturn]] void usage(const std::string& problem) {
  std::fprintf(
      stderr,
      "qcface_bench_head: %s\nusage: qcface_bench_head [--n N] [--d D] [--k K] [--threads T] [--head qcface|"
      "qcface-cur|qcface-mv]\n  [--phase norm|id] [--isa auto|baseline|avx2|avx512] [--seconds S] "
      "[--forward] "
      "[--json]\n",
      problem.c_str());
  std::exit(2);
}

Options parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--forward") {
      o.forward = true;
      continue;
    }
    if (flag == "--json") {
      o.json = true;
      continue;
    }
    if (i + 1 >= argc) usage("unknown flag or missing value: " + flag);
    const std::string value = argv[++i];
    const auto positive = [&] {
      char* end = nullptr;
      const long long number = std::strtoll(value.c_str(), &end, 10);
      if (end == value.c_str() || *end != '\0' || number < 1)
        usage(flag + " " + value + ": expected a number above 0");
      return static_cast<std::int64_t>(number);
    };
    if (flag == "--n") {
      o.n = positive();
    } else if (flag == "--d") {
      o.d = positive();
    } else if (flag == "--k") {
      o.k = positive();
    } else if (flag == "--threads") {
      o.threads = static_cast<int>(positive());
    } else if (flag == "--head") {
      o.head = value;
    } else if (flag == "--phase" && (value == "norm" || value == "id")) {
      o.phase = value;
    } else if (flag == "--isa") {
      o.isa = value;
    } else if (flag == "--seconds") {
      o.seconds = std::atof(value.c_str());
    } else {
      usage("unknown flag or value: " + flag + " " + value);
    }
  }
  return o;
}

template <class T>
struct AlignedArray {
  explicit AlignedArray(std::size_t count)
      : data(static_cast<T*>(std::aligned_alloc(64, (count * sizeof(T) + 63) / 64 * 64))), size(count) {
    if (data == nullptr) throw std::bad_alloc();
    std::fill_n(data, count, T{});  // touched before the clock starts
  }
  ~AlignedArray() { std::free(data); }
  AlignedArray(const AlignedArray&) = delete;
  AlignedArray& operator=(const AlignedArray&) = delete;
  T* data;
  std::size_t size;
};

std::uint32_t mix(std::uint32_t h) {
  h ^= h >> 16;
  h *= 0x85EBCA6Bu;
  h ^= h >> 13;
  h *= 0xC2B2AE35u;
  return h ^ (h >> 16);
}

/// In [-1, 1), from the element's index: peer_torch.py makes the same values.
void fill(AlignedArray<float>& array, std::uint32_t seed) {
  for (std::size_t i = 0; i < array.size; ++i) {
    const std::uint32_t h = mix(static_cast<std::uint32_t>(i) ^ mix(seed));
    array.data[i] = static_cast<float>(static_cast<std::int32_t>(h >> 8) - (1 << 23)) * 0x1p-23f;
  }
}

/// Peak resident memory of this process in bytes; 0 where /proc is missing.
std::size_t peak_resident() {
  std::FILE* file = std::fopen("/proc/self/status", "r");
  if (file == nullptr) return 0;
  char line[256];
  unsigned long kib = 0;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::sscanf(line, "VmHWM: %lu", &kib) == 1) break;
  }
  std::fclose(file);
  return kib * 1024ul;
}

double percentile(const std::vector<double>& sorted, double q) {
  return sorted[static_cast<std::size_t>(std::llround(q * static_cast<double>(sorted.size() - 1)))];
}

/// Relative difference of the reported loss from a plain double computation of the identity loss.
double loss_error(const Options& o, const float* x, const float* w, const std::int64_t* labels,
                  double reported) {
  double total = 0;
  const std::int64_t rows = std::min<std::int64_t>(o.n, 4);
  for (std::int64_t i = 0; i < rows; ++i) {
    std::vector<double> c(static_cast<std::size_t>(o.k));
    double xx = 0;
    for (std::int64_t k = 0; k < o.d; ++k) xx += static_cast<double>(x[i * o.d + k]) * x[i * o.d + k];
    for (std::int64_t j = 0; j < o.k; ++j) {
      double dot = 0, ww = 0;
      for (std::int64_t k = 0; k < o.d; ++k) {
        dot += static_cast<double>(x[i * o.d + k]) * w[j * o.d + k];
        ww += static_cast<double>(w[j * o.d + k]) * w[j * o.d + k];
      }
      c[static_cast<std::size_t>(j)] = dot / std::sqrt(xx * ww);
    }
    const double cy = c[static_cast<std::size_t>(labels[i])];
    const double target = cy > 0 ? std::cos(std::acos(cy) + 0.5) : cy;
    double sum = 0;
    for (std::int64_t j = 0; j < o.k; ++j) {
      if (j != labels[i]) sum += std::exp(64 * (c[static_cast<std::size_t>(j)] - target));
    }
    total += std::log1p(sum);
  }
  return std::fabs(reported / (total / static_cast<double>(rows)) - 1);
}

void run(const Options& o) {
  const auto n = static_cast<std::size_t>(o.n), d = static_cast<std::size_t>(o.d),
             k = static_cast<std::size_t>(o.k);
  AlignedArray<float> x(n * d), w(k * d), dx(n * d);
  std::unique_ptr<AlignedArray<float>> dw;
  if (!o.forward) dw = std::make_unique<AlignedArray<float>>(k * d);
  fill(x, 1);
  fill(w, 2);
  std::vector<std::int64_t> labels(n);
  for (std::size_t i = 0; i < n; ++i) labels[i] = static_cast<std::int64_t>((i * 7919) % k);
  std::vector<float> nll(n);
  double losses[3] = {};
  float t = 0;

  qcface::KernelContext context(o.threads);
  for (const qcf_isa isa : {QCF_ISA_BASELINE, QCF_ISA_AVX2, QCF_ISA_AVX512}) {
    if (o.isa == "auto") break;
    context.get()->isa = isa;
    if (o.isa == qcf_isa_name(context.get())) break;
  }
  if (o.isa != "auto" && o.isa != qcf_isa_name(context.get()))
    usage("this machine does not run --isa " + o.isa);
  qcf_head_config config = qcface::make_head_config(qcface::head_from_name(o.head));
  config.phase = o.phase == "norm" ? QCF_PHASE_NORM : QCF_PHASE_ID;
  qcf_head_args args = qcface::make_head_args();
  args.n = o.n;
  args.d = o.d;
  args.k_loc = o.k;
  args.x = x.data;
  args.w = w.data;
  args.labels = labels.data();
  args.t = &t;
  args.losses = losses;
  args.row_nll = nll.data();
  if (!o.forward) {
    args.dx = dx.data;
    args.dw = dw->data;
  }
  const std::size_t before = peak_resident();
  args.workspace_bytes = qcface::head_workspace_bytes(context, config, args);
  AlignedArray<unsigned char> workspace(args.workspace_bytes);
  args.workspace = workspace.data;

  // right before fast
  qcface::head_step(context, config, args);
  double error = -1;
  if (o.head == "qcface") {
    double mean = 0;
    const std::size_t rows = std::min<std::size_t>(n, 4);
    for (std::size_t i = 0; i < rows; ++i) mean += static_cast<double>(nll[i]) / static_cast<double>(rows);
    error = loss_error(o, x.data, w.data, labels.data(), mean);
    if (!(error < 1e-4)) {
      std::fprintf(stderr, "qcface_bench_head: loss is off by %g, nothing was timed\n", error);
      std::exit(1);
    }
  }
  std::vector<double> ms;
  const std::clock_t cpu_start = std::clock();
  const auto start = std::chrono::steady_clock::now();
  double elapsed = 0;
  while (elapsed < o.seconds || ms.size() < 5) {
    const auto a = std::chrono::steady_clock::now();
    qcface::head_step(context, config, args);
    const auto b = std::chrono::steady_clock::now();
    ms.push_back(std::chrono::duration<double, std::milli>(b - a).count());
    elapsed = std::chrono::duration<double>(b - start).count();
  }
  const std::size_t extra = peak_resident() - before;
  // Processor time of all threads a step: what a step costs when other programs share the machine.
  const double cpu_ms =
      1e3 * static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC / static_cast<double>(ms.size());
  std::sort(ms.begin(), ms.end());
  const double median = percentile(ms, 0.5);
  const double flops = (o.forward ? 2.0 : 8.0) * static_cast<double>(o.n) * static_cast<double>(o.k) *
                       static_cast<double>(o.d);
  const double gflops = flops / median * 1e-6;
  if (o.json) {
    std::printf(
        "{\"program\":\"qcface_bench_head\",\"head\":\"%s\",\"phase\":\"%s\",\"isa\":\"%s\",\"n\":%lld,\"d\":"
        "%lld,"
        "\"k\":%lld,\"threads\":%d,\"forward_only\":%s,\"runs\":%zu,\"ms_median\":%.3f,\"ms_p20\":%.3f,"
        "\"ms_p80\":%.3f,\"cpu_ms\":%.3f,\"gflops\":%.1f,\"workspace_bytes\":%zu,\"extra_peak_bytes\":%zu,"
        "\"loss_id\":%.9g}"
        "\n",
        o.head.c_str(), o.phase.c_str(), qcf_isa_name(context.get()), static_cast<long long>(o.n),
        static_cast<long long>(o.d), static_cast<long long>(o.k), o.threads, o.forward ? "true" : "false",
        ms.size(), median, percentile(ms, 0.2), percentile(ms, 0.8), cpu_ms, gflops, args.workspace_bytes,
        extra, losses[1]);
    return;
  }
  std::printf("%s, phase %s, N %lld, D %lld, K %lld, %d threads, %s, %s\n", o.head.c_str(), o.phase.c_str(),
              static_cast<long long>(o.n), static_cast<long long>(o.d), static_cast<long long>(o.k),
              o.threads, qcf_isa_name(context.get()), o.forward ? "loss only" : "loss, dx, dw");
  std::printf(
      "  %.1f ms (median of %zu; p20 %.1f, p80 %.1f), %.1f ms of processor time   %.1f GFLOP/s of products\n",
      median, ms.size(), percentile(ms, 0.2), percentile(ms, 0.8), cpu_ms, gflops);
  std::printf("  workspace %.2f MiB; peak resident memory beyond x, w, dx, dw: %.2f MiB; loss_id %.9g\n",
              static_cast<double>(args.workspace_bytes) / 1048576, static_cast<double>(extra) / 1048576,
              losses[1]);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(parse(argc, argv));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "qcface_bench_head: %s\n", error.what());
    return 1;
  }
}
