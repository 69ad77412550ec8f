// One head step on the GPU, timed with events: every plan and operand type that the device runs, with the optimiser's
// update fused into the step.
//   qcface_bench_head_cuda [--n 512] [--d 512] [--k 93431,360232,1000000] [--head qcface,qcface-cur,qcface-mv]
//                          [--plan chunked,mma,wgmma] [--type f32,bf16,f16] [--seconds 1] [--json FILE]
// Right before fast: each combination first runs a small case against the CPU kernels and is not timed if it disagrees.
// Times are of a whole step (loss, dx, update of w) in a row of steps without host waits; the class weights are larger
// than the L2 cache at the sizes that matter, so a step finds them cold. The rate counts the four products that a step
// does (8 N K D flops); bytes are the least a step can move: w read twice, w and velocity read and written once by
// the update.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/cuda/runtime.h"
#include "qcface/kernels.hpp"

namespace {

struct Options {
  std::int64_t n = 512, d = 512;
  std::vector<std::int64_t> k{93431, 360232, 1000000};
  std::vector<std::string> heads{"qcface", "qcface-cur", "qcface-mv"}, plans{"chunked", "mma", "wgmma"},
      types{"f32", "bf16", "f16"};
  double seconds = 1;
  std::string json;
};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) parts.push_back(part);
  return parts;
}

std::int64_t positive(const std::string& flag, const std::string& value) {
  char* end = nullptr;
  const long long number = std::strtoll(value.c_str(), &end, 10);
  if (end == value.c_str() || *end != '\0' || number < 1)
    throw std::invalid_argument(flag + " " + value + ": expected a number above 0");
  return number;
}

Options parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (i + 1 >= argc) throw std::invalid_argument(flag + ": unknown flag or missing value");
    const std::string value = argv[++i];
    if (flag == "--n") {
      o.n = positive(flag, value);
    } else if (flag == "--d") {
      o.d = positive(flag, value);
    } else if (flag == "--k") {
      o.k.clear();
      for (const std::string& part : split(value)) o.k.push_back(positive(flag, part));
    } else if (flag == "--head") {
      o.heads = split(value);
    } else if (flag == "--plan") {
      o.plans = split(value);
    } else if (flag == "--type") {
      o.types = split(value);
    } else if (flag == "--seconds") {
      o.seconds = std::atof(value.c_str());
    } else if (flag == "--json") {
      o.json = value;
    } else {
      throw std::invalid_argument(flag + ": unknown flag");
    }
  }
  return o;
}

void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(error));
}

template <class T>
class Device {
 public:
  explicit Device(std::size_t count) : count_(count) {
    check(cudaMalloc(reinterpret_cast<void**>(&data_), std::max<std::size_t>(count, 1) * sizeof(T)),
          "device memory");
    check(cudaMemset(data_, 0, std::max<std::size_t>(count, 1) * sizeof(T)), "device memory");
  }
  explicit Device(const std::vector<T>& values) : Device(values.size()) {
    check(cudaMemcpy(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice), "copy");
  }
  ~Device() { cudaFree(data_); }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  T* data() { return data_; }
  std::vector<T> host() const {
    std::vector<T> values(count_);
    check(cudaMemcpy(values.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost), "copy");
    return values;
  }

 private:
  T* data_ = nullptr;
  std::size_t count_;
};

/// In [-1, 1), from the element's index.
std::vector<float> values(std::size_t count, std::uint32_t seed) {
  const auto mix = [](std::uint32_t h) {
    h ^= h >> 16;
    h *= 0x85EBCA6Bu;
    h ^= h >> 13;
    h *= 0xC2B2AE35u;
    return h ^ (h >> 16);
  };
  std::vector<float> out(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t h = mix(static_cast<std::uint32_t>(i) ^ mix(seed));
    out[i] = static_cast<float>(static_cast<std::int32_t>(h >> 8) - (1 << 23)) * 0x1p-23f;
  }
  return out;
}

struct Combination {
  std::string head, plan, type;
};

/// Device buffers and arguments of one step.
class Step {
 public:
  Step(const Combination& c, std::int64_t n, std::int64_t d, std::int64_t k)
      : context(0, QCF_DEVICE_CUDA),
        config(qcface::make_head_config(qcface::head_from_name(c.head))),
        x(values(static_cast<std::size_t>(n * d), 1)),
        w(values(static_cast<std::size_t>(k * d), 2)),
        velocity(static_cast<std::size_t>(k * d)),
        dx(static_cast<std::size_t>(n * d)),
        unit(static_cast<std::size_t>(c.type == "f32" ? 0 : k * d)),
        labels(make_labels(n, k)),
        losses(3),
        t(1),
        lr(std::vector<float>{0.1f}) {
    config.phase = QCF_PHASE_NORM;
    for (const qcf_type type : {QCF_TYPE_F32, QCF_TYPE_BF16, QCF_TYPE_F16}) {
      if (c.type == qcf_type_name(type)) args.operand_type = type;
    }
    if (!qcf_plan_from_name(c.plan.c_str(), &context.get()->plan))
      throw std::invalid_argument("--plan " + c.plan + ": no such plan");
    context.check(qcf_cuda_open(context.get()));
    args.n = n;
    args.d = d;
    args.k_loc = k;
    args.x = x.data();
    args.w = w.data();
    args.labels = labels.data();
    args.t = t.data();
    args.losses = losses.data();
    args.dx = dx.data();
    sgd = {w.data(), velocity.data(), lr.data(), nullptr, 0.9f, 5e-4f};
    args.sgd = &sgd;
    if (c.type != "f32") {
      args.unit_w = unit.data();
      context.check(qcf_unit_rows(context.get(), k, d, w.data(), args.operand_type, unit.data()));
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

  static std::vector<std::int64_t> make_labels(std::int64_t n, std::int64_t k) {
    std::vector<std::int64_t> out(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::int64_t>(i) * 7919 % k;
    return out;
  }

  qcface::KernelContext context;
  qcf_head_config config;
  qcf_head_args args = qcface::make_head_args();
  qcf_sgd sgd{};
  Device<float> x, w, velocity, dx;
  Device<std::uint16_t> unit;
  Device<std::int64_t> labels;
  Device<double> losses;
  Device<float> t, lr;
};

double relative(const std::vector<float>& ours, const std::vector<float>& reference) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    difference += std::pow(static_cast<double>(ours[i]) - static_cast<double>(reference[i]), 2);
    size += std::pow(static_cast<double>(reference[i]), 2);
  }
  return std::sqrt(difference / size);
}

/// Largest relative error of loss, dx and updated weights against the CPU kernels on a small case.
double disagreement(const Combination& c) {
  constexpr std::int64_t n = 100, d = 512, k = 1003;
  Step gpu(c, n, d, k);
  gpu.run();
  gpu.finish();
  qcface::KernelContext context(0);
  std::vector<float> x = values(n * d, 1), w = values(k * d, 2), velocity(k * d), dx(n * d);
  const std::vector<std::int64_t> labels = Step::make_labels(n, k);
  double losses[3] = {};
  float t = 0;
  const float lr = 0.1f;
  qcf_head_args args = gpu.args;
  qcf_sgd sgd = {w.data(), velocity.data(), &lr, nullptr, 0.9f, 5e-4f};
  args.operand_type = QCF_TYPE_F32;
  args.unit_w = nullptr;
  args.x = x.data();
  args.w = w.data();
  args.labels = labels.data();
  args.t = &t;
  args.losses = losses;
  args.dx = dx.data();
  args.sgd = &sgd;
  args.workspace_bytes = qcface::head_workspace_bytes(context, gpu.config, args);
  std::vector<std::max_align_t> space(args.workspace_bytes / sizeof(std::max_align_t) + 8);
  args.workspace = reinterpret_cast<void*>((reinterpret_cast<std::uintptr_t>(space.data()) + 63) / 64 * 64);
  qcface::head_step(context, gpu.config, args);
  const double loss = std::fabs(gpu.losses.host()[1] / losses[1] - 1);
  return std::max({loss, relative(gpu.dx.host(), dx), relative(gpu.velocity.host(), velocity)});
}

struct Timing {
  double median, p20, p80;
  std::size_t steps;
};

Timing time(Step& step, double seconds) {
  cudaEvent_t begin = nullptr, end = nullptr;
  check(cudaEventCreate(&begin), "event");
  check(cudaEventCreate(&end), "event");
  std::vector<double> ms;
  double total = 0;
  for (int i = 0; i < 3; ++i) step.run();
  step.finish();
  while (total < 1e3 * seconds || ms.size() < 10) {
    check(cudaEventRecord(begin, nullptr), "event");
    step.run();
    check(cudaEventRecord(end, nullptr), "event");
    check(cudaEventSynchronize(end), "step");
    float elapsed = 0;
    check(cudaEventElapsedTime(&elapsed, begin, end), "event");
    ms.push_back(static_cast<double>(elapsed));
    total += ms.back();
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  std::sort(ms.begin(), ms.end());
  const auto at = [&](double q) {
    return ms[static_cast<std::size_t>(std::llround(q * static_cast<double>(ms.size() - 1)))];
  };
  return {at(0.5), at(0.2), at(0.8), ms.size()};
}

std::string record(const Options& o, const Combination& c, std::int64_t k) {
  const double n = static_cast<double>(o.n), d = static_cast<double>(o.d), classes = static_cast<double>(k);
  const double operand = c.type == "f32" ? 4 : 2;
  const double flops = 8 * n * classes * d,
               bytes = classes * d * (2 * operand + 4 * 4 + (operand == 2 ? 2 : 0));
  std::size_t free_bytes = 0, all_bytes = 0;
  check(cudaMemGetInfo(&free_bytes, &all_bytes), "memory");
  if (classes * d * (8 + (operand == 2 ? 2 : 0)) > 0.9 * static_cast<double>(free_bytes))
    throw std::runtime_error("does not fit in the device's memory");
  Step step(c, o.n, o.d, k);
  const Timing t = time(step, o.seconds);
  std::printf("%-11s %-8s %-5s %10lld %9.3f (%.3f-%.3f) %8.1f %8.0f %10.1f\n", c.head.c_str(), c.plan.c_str(),
              c.type.c_str(), static_cast<long long>(k), t.median, t.p20, t.p80, flops / t.median * 1e-9,
              bytes / t.median * 1e-6, static_cast<double>(step.args.workspace_bytes) / 1048576);
  std::ostringstream out;
  out.precision(9);
  out << "{\"head\":\"" << c.head << "\",\"plan\":\"" << c.plan << "\",\"type\":\"" << c.type
      << "\",\"n\":" << o.n << ",\"d\":" << o.d << ",\"k\":" << k << ",\"steps\":" << t.steps
      << ",\"ms_median\":" << t.median << ",\"ms_p20\":" << t.p20 << ",\"ms_p80\":" << t.p80
      << ",\"tflops\":" << flops / t.median * 1e-9 << ",\"gbytes_per_s\":" << bytes / t.median * 1e-6
      << ",\"workspace_bytes\":" << step.args.workspace_bytes << "}";
  return out.str();
}

int run(const Options& o) {
  qcface::cuda::DeviceFacts facts;
  if (qcface::cuda::device_count() == 0) {
    std::fprintf(stderr, "qcface_bench_head_cuda: no usable GPU\n");
    return 77;
  }
  check(qcface::cuda::device_facts(0, &facts), "device");
  std::printf("%s, sm_%d, N %lld, D %lld; a step: loss, dx, update of w\n", facts.name.c_str(),
              facts.architecture(), static_cast<long long>(o.n), static_cast<long long>(o.d));
  std::printf("%-11s %-8s %-5s %10s %9s %17s %8s %8s %10s\n", "head", "plan", "type", "K", "ms", "(p20-p80)",
              "TFLOP/s", "GB/s", "extra MiB");
  std::string records;
  int wrong = 0;
  for (const std::string& plan : o.plans) {
    for (const std::string& type : o.types) {
      for (const std::string& head : o.heads) {
        const Combination c{head, plan, type};
        try {
          const double error = disagreement(c), allowed = type == "f32" ? 2e-4 : type == "f16" ? 2e-2 : 6e-2;
          if (!(error <= allowed)) {
            std::printf("%-11s %-8s %-5s is off by %.2g of the CPU kernels' result: not timed\n",
                        head.c_str(), plan.c_str(), type.c_str(), error);
            ++wrong;
            continue;
          }
          for (const std::int64_t k : o.k) records += (records.empty() ? "" : ",\n  ") + record(o, c, k);
        } catch (const std::exception& reason) {
          std::printf("%-11s %-8s %-5s left out: %s\n", head.c_str(), plan.c_str(), type.c_str(),
                      reason.what());
        }
      }
    }
  }
  if (!o.json.empty()) {
    std::FILE* file = std::fopen(o.json.c_str(), "w");
    if (file == nullptr) throw std::runtime_error("--json " + o.json + ": cannot be written");
    std::fprintf(file, "{\"gpu\":\"%s\",\"records\":[\n  %s\n]}\n", facts.name.c_str(), records.c_str());
    std::fclose(file);
  }
  return wrong == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(parse(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "qcface_bench_head_cuda: %s\n", error.what());
    return 1;
  }
}
