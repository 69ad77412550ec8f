// The 3 x 3 convolutions of the backbone one by one, as its layers call them: forward, data gradient, weight gradient.
//   qcface_bench_convolution_cuda [--batch 512] [--shapes 64x112,128x56,256x14] [--types bf16,f16,f32] [--seconds 0.2]
//                                 [--budget S] [--json FILE]
// A shape is CHANNELSxSIDE, as many channels out as in, stride 1. bench/convolution/peer_torch.py adds PyTorch's rows to the
// file. Right before fast: some elements of each result are compared with plain sums on the host, and a kind that disagrees
// is not timed. --budget: nothing new is begun after so many seconds. Exit status 77 where there is no GPU.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/convolution/convolution_case.h"
#include "bench/timing.h"
#include "harness/console/standard_streams.h"

namespace {

using namespace qcface::bench;

struct Options {
  std::vector<std::string> shapes = {"64x112", "128x56", "256x14"}, types = {"bf16", "f16", "f32"};
  int batch = 512;
  double budget = 1e9;
  TimingPlan timing{0.2, 0.1};
  std::string json;
};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) parts.push_back(part);
  return parts;
}

constexpr const char* kUsage =
    "usage: qcface_bench_convolution_cuda [--batch 512] [--shapes 64x112,128x56,256x14] [--types "
    "bf16,f16,f32]\n"
    "         [--seconds 0.2] [--budget S] [--json FILE]\n";

Options parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--help" || flag == "-h") qcface::print_and_exit("qcface_bench_convolution_cuda", kUsage);
    if (i + 1 == argc) throw std::invalid_argument(flag + ": unknown option or missing value");
    const std::string value = argv[i + 1];
    if (flag == "--shapes") {
      o.shapes = split(value);
    } else if (flag == "--types") {
      o.types = split(value);
    } else if (flag == "--json") {
      o.json = value;
    } else {
      char* end = nullptr;
      const double number = std::strtod(value.c_str(), &end);
      if (*end != '\0' || !(number > 0))
        throw std::invalid_argument(flag + " " + value + ": expected a number above 0");
      if (flag == "--batch") {
        o.batch = static_cast<int>(number);
      } else if (flag == "--seconds") {
        o.timing.seconds = number;
        o.timing.warmup_seconds = number / 2;
      } else if (flag == "--budget") {
        o.budget = number;
      } else {
        throw std::invalid_argument(flag + ": unknown option");
      }
    }
  }
  return o;
}

ConvolutionShape shape_of(const Options& o, const std::string& text, const std::string& type) {
  ConvolutionShape s;
  if (std::sscanf(text.c_str(), "%dx%d", &s.c, &s.h) != 2 || s.c < 1 || s.h < 1)
    throw std::invalid_argument("--shapes " + text + ": expected CHANNELSxSIDE, such as 64x112");
  if (type != "f32" && type != "f16" && type != "bf16")
    throw std::invalid_argument("--types " + type + ": expected f32, f16 or bf16");
  s.type = type == "f32" ? StorageType::kF32 : type == "f16" ? StorageType::kF16 : StorageType::kBf16;
  s.n = o.batch;
  s.w = s.h;
  s.k = s.c;
  s.kernel = 3;
  s.padding = 1;
  return s;
}

class Report {
 public:
  Report(std::string file, std::string head) : file_(std::move(file)), head_(std::move(head)) {}
  void row(const std::string& text) { add(&rows_, text); }
  void left_out(const std::string& what) {
    std::printf("%s\n", what.c_str());
    std::string quoted = what;
    std::replace(quoted.begin(), quoted.end(), '"', '\'');
    add(&left_out_, "\"" + quoted + "\"");
  }

 private:
  void add(std::string* list, const std::string& text) {
    *list += (list->empty() ? "\n  " : ",\n  ") + text;
    if (file_.empty()) return;
    const std::string unfinished = file_ + ".tmp";
    std::ofstream(unfinished) << head_ << ",\n \"left_out\": [" << left_out_ << "],\n \"rows\": [" << rows_
                              << "\n ]}\n";
    if (std::rename(unfinished.c_str(), file_.c_str()) != 0)
      throw std::runtime_error(file_ + ": cannot be written");
  }
  std::string file_, head_, rows_, left_out_;
};

int run(const Options& o, const std::string& command) {
  if (qcface::cuda::device_count() == 0) {
    std::fprintf(stderr, "qcface_bench_convolution_cuda: no usable GPU\n");
    return 77;
  }
  const auto begun = std::chrono::steady_clock::now();
  qcface::cuda::DeviceFacts facts;
  check_cuda(qcface::cuda::device_facts(0, &facts));
  cudaStream_t stream = nullptr;
  check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  cudaEvent_t before = nullptr, after = nullptr;
  check_cuda(cudaEventCreate(&before));
  check_cuda(cudaEventCreate(&after));
  const auto library = qcface::nn::cuda::make_convolution_library(stream, false);
  Report report(o.json, "{\"schema\": 1, \"program\": \"qcface_bench_convolution_cuda\", \"command\": \"" +
                            command + "\", \"device_name\": \"" + facts.name + "\"");
  std::printf("%s, %s, batch %d\n", facts.name.c_str(), library->name().c_str(), o.batch);
  int wrong = 0;
  for (const std::string& type : o.types) {
    for (const std::string& name : o.shapes) {
      const std::string what = name + " " + type;
      const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begun;
      if (passed.count() >= o.budget) {
        report.left_out(what + ": the budget was used up");
        continue;
      }
      ConvolutionCase one(*library, shape_of(o, name, type));
      for (const char* kind : {"forward", "data", "weights"}) {
        one.run(kind);
        const double error = one.error(kind);
        if (!(error <= (type == "bf16" ? 1.0 / 128 : 1.0 / 1024))) {
          report.left_out(what + " " + kind + ": is off by " + std::to_string(error) + ", not timed");
          ++wrong;
          continue;
        }
        Samples samples;
        measure(
            o.timing,
            [&] {
              check_cuda(cudaEventRecord(before, stream));
              one.run(kind);
              check_cuda(cudaEventRecord(after, stream));
              check_cuda(cudaEventSynchronize(after));
              float ms = 0;
              check_cuda(cudaEventElapsedTime(&ms, before, after));
              samples.ms.push_back(static_cast<double>(ms));
            },
            [&] { samples = {}; });
        const double flops = 18.0 * one.s.n * one.s.h * one.s.w * one.s.c * one.s.k;
        char text[512];
        std::snprintf(
            text, sizeof text,
            "{\"implementation\": \"qcface, %s\", \"shape\": \"%s\", \"n\": %d, \"type\": \"%s\", "
            "\"kind\": \"%s\", \"ms_median\": %.5g, \"ms_p20\": %.5g, \"ms_p80\": %.5g, \"gflops\": %.5g}",
            library->name().c_str(), name.c_str(), one.s.n, type.c_str(), kind, samples.median(),
            samples.quantile(0.2), samples.quantile(0.8), flops / samples.median() * 1e-6);
        report.row(text);
        std::printf("%-16s %-8s %9.3f ms %8.1f TFLOP/s\n", what.c_str(), kind, samples.median(),
                    flops / samples.median() * 1e-9);
        std::fflush(stdout);
      }
    }
  }
  return wrong == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::string command = "qcface_bench_convolution_cuda";
  for (int i = 1; i < argc; ++i) command += std::string(" ") + argv[i];
  return qcface::run_program("qcface_bench_convolution_cuda",
                             [&] { return run(parse(argc, argv), command); });
}
