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
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/timing.h"
#include "nn/cuda/convolution.h"
#include "tests/support/device_buffer.h"

namespace {

using namespace qcface::bench;
using namespace qcface::nn::cuda;
using qcface::test::check_cuda;
using Bytes = qcface::test::DeviceBuffer<unsigned char>;

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

Options parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; i += 2) {
    const std::string flag = argv[i];
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

/// Small multiples of a half, which every type holds and whose sums fp32 does not round.
float value(std::size_t index, std::uint32_t salt) {
  auto h = static_cast<std::uint32_t>(index) * 0x9E3779B1u + salt * 0x85EBCA6Bu;
  h ^= h >> 15;
  h *= 0x2C1B3C6Du;
  h ^= h >> 13;
  return 0.5f * static_cast<float>(static_cast<int>(h % 5) - 2);
}

void store(StorageType type, float v, unsigned char* to) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &v, 4);
  if (type == StorageType::kF32) return void(std::memcpy(to, &bits, 4));
  auto half = static_cast<std::uint16_t>(bits >> 16);
  if (type == StorageType::kF16 && v != 0)  // normal numbers only: the exponent's bias is 15, not 127
    half = static_cast<std::uint16_t>((bits >> 16 & 0x8000) | ((bits >> 13 & 0x3FFFF) - (112u << 10)));
  std::memcpy(to, &half, 2);
}

double read(StorageType type, const unsigned char* from) {
  if (type == StorageType::kF16) {
    std::uint16_t half = 0;
    std::memcpy(&half, from, 2);
    const int exponent = half >> 10 & 31, mantissa = half & 1023;
    if (exponent == 31) return NAN;
    const double size =
        exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    return half & 0x8000 ? -size : size;
  }
  std::uint32_t bits = 0;
  std::memcpy(reinterpret_cast<unsigned char*>(&bits) + 4 - bytes_of(type), from, bytes_of(type));
  float v = 0;
  std::memcpy(&v, &bits, 4);
  return static_cast<double>(v);
}

/// `copies` times the same values: the host makes one picture, not a batch.
Bytes filled(StorageType type, std::size_t count, int copies, std::uint32_t salt) {
  std::vector<unsigned char> one(count * bytes_of(type));
  for (std::size_t i = 0; i < count; ++i) store(type, value(i, salt), &one[i * bytes_of(type)]);
  Bytes all(one.size() * static_cast<std::size_t>(copies));
  for (int i = 0; i < copies; ++i) {
    check_cuda(cudaMemcpy(all.data() + static_cast<std::size_t>(i) * one.size(), one.data(), one.size(),
                          cudaMemcpyHostToDevice));
  }
  return all;
}

/// One convolution with its arrays, which hold the same picture for every sample.
class Case {
 public:
  Case(ConvolutionLibrary& library, const ConvolutionShape& shape)
      : s(shape),
        convolution(library.find(shape)),
        picture(static_cast<std::size_t>(s.h) * s.w * s.c),
        weights(static_cast<std::size_t>(s.k) * 9 * s.c),
        x(filled(s.type, picture, s.n, 1)),
        w(filled(s.type, weights, 1, 2)),
        dy(filled(s.type, picture, s.n, 3)),
        result(x.size()),
        dw(w.size()),
        workspace(std::max({convolution->forward_bytes(), convolution->backward_data_bytes(),
                            convolution->backward_weights_bytes(), std::size_t{1}})) {}

  void run(const std::string& kind) {
    if (kind == "forward") convolution->forward(x.data(), w.data(), result.data(), workspace.data());
    if (kind == "data") convolution->backward_data(w.data(), dy.data(), result.data(), workspace.data());
    if (kind == "weights") convolution->backward_weights(x.data(), dy.data(), dw.data(), workspace.data());
  }

  /// Of the last run: the largest difference from sums on the host, relative to the largest of them.
  double error(const std::string& kind) {
    check_cuda(cudaDeviceSynchronize());
    double worst = 0, largest = 0;
    for (int i = 0; i < 24; ++i) {
      const std::size_t count = kind == "weights" ? weights : picture;
      const std::size_t at = static_cast<std::size_t>(i) * 7919 % count;
      const std::size_t sample = kind == "weights" ? 0 : static_cast<std::size_t>(i) % s.n;
      unsigned char bytes[4];
      check_cuda(cudaMemcpy(
          bytes, (kind == "weights" ? dw : result).data() + (sample * picture + at) * bytes_of(s.type),
          bytes_of(s.type), cudaMemcpyDeviceToHost));
      const double want = kind == "weights" ? weight_sum(at) : pixel_sum(at, kind == "data");
      const double off = std::fabs(read(s.type, bytes) - want);
      if (!(off <= worst)) worst = off;  // NaN too
      largest = std::max(largest, std::fabs(want));
    }
    return worst / largest;
  }

  const ConvolutionShape s;

 private:
  double pixel_sum(std::size_t at, bool transposed) const {
    const int channel = static_cast<int>(at % s.c), column = static_cast<int>(at / s.c % s.w),
              row = static_cast<int>(at / s.c / s.w);
    double sum = 0;
    for (int r = 0; r < 3; ++r) {
      for (int q = 0; q < 3; ++q) {
        const int y_at = row + (transposed ? 1 - r : r - 1), x_at = column + (transposed ? 1 - q : q - 1);
        if (y_at < 0 || y_at >= s.h || x_at < 0 || x_at >= s.w) continue;
        for (int c = 0; c < s.c; ++c) {
          const std::size_t weight = transposed
                                         ? ((static_cast<std::size_t>(c) * 3 + r) * 3 + q) * s.c + channel
                                         : ((static_cast<std::size_t>(channel) * 3 + r) * 3 + q) * s.c + c;
          const std::size_t pixel = (static_cast<std::size_t>(y_at) * s.w + x_at) * s.c + c;
          sum +=
              static_cast<double>(value(pixel, transposed ? 3 : 1)) * static_cast<double>(value(weight, 2));
        }
      }
    }
    return sum;
  }
  double weight_sum(std::size_t at) const {
    const int in = static_cast<int>(at % s.c), q = static_cast<int>(at / s.c % 3),
              r = static_cast<int>(at / s.c / 3 % 3), out = static_cast<int>(at / s.c / 9);
    double sum = 0;
    for (int row = std::max(0, 1 - r); row < std::min(s.h, s.h + 1 - r); ++row) {
      for (int column = std::max(0, 1 - q); column < std::min(s.w, s.w + 1 - q); ++column) {
        const std::size_t pixel = (static_cast<std::size_t>(row + r - 1) * s.w + column + q - 1) * s.c + in;
        const std::size_t gradient = (static_cast<std::size_t>(row) * s.w + column) * s.c + out;
        sum += static_cast<double>(value(pixel, 1)) * static_cast<double>(value(gradient, 3));
      }
    }
    return sum * s.n;
  }

  std::shared_ptr<Convolution> convolution;
  std::size_t picture, weights;
  Bytes x, w, dy, result, dw, workspace;
};

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
  const auto library = make_convolution_library(stream, false);
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
      Case one(*library, shape_of(o, name, type));
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
  try {
    return run(parse(argc, argv), command);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "qcface_bench_convolution_cuda: %s\n", error.what());
    return 1;
  }
}
