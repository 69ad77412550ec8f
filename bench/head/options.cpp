#include "bench/head/options.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <stdexcept>

#include "harness/console/standard_streams.h"

namespace qcface::bench {
namespace {

constexpr const char* kUsage =
    "  --heads A,B      heads, default all                      (also --head)\n"
    "  --n N1,N2,... --d D --k K1,K2,...  rows, width, classes\n"
    "  --types f32,bf16,f16       of x on the CPU, of the products' operands on a GPU (also --type)\n"
    "  --plans chunked,mma,wgmma  CUDA                          (also --plan)\n"
    "  --sgd | --dw     the optimiser's update inside the step (default on a GPU), or dw (default on the "
    "CPU)\n"
    "  --forward        the loss alone\n"
    "  --phase norm|id  of heads that have a magnitude loss\n"
    "  --cache cold|warm  cold: caches are flushed before every sample\n"
    "  --seconds S --warmup S --samples-min N   length of one measurement\n"
    "  --budget S       start no measurement later than S seconds after the first\n"
    "  --threads T --isa auto|baseline|avx2|avx512   CPU\n"
    "  --no-products    leave out the bare products, and with them the [N, K] array that only they need\n"
    "  --peak TFLOPS    what shares are shares of\n"
    "  --json FILE      write all rows; '-' writes them to standard output instead of the table\n";

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) parts.push_back(part);
  if (parts.empty()) throw std::invalid_argument("an empty list");
  return parts;
}

std::int64_t positive(const std::string& flag, const std::string& value,
                      std::int64_t most = 1'000'000'000'000) {
  char* end = nullptr;
  const long long number = std::strtoll(value.c_str(), &end, 10);
  if (end == value.c_str() || *end != '\0' || number < 1 || number > most)
    throw std::invalid_argument(flag + " " + value + ": expected a whole number from 1 to " +
                                std::to_string(most));
  return number;
}

double seconds(const std::string& flag, const std::string& value) {
  char* end = nullptr;
  const double number = std::strtod(value.c_str(), &end);
  if (end == value.c_str() || *end != '\0' || !(number >= 0))
    throw std::invalid_argument(flag + " " + value + ": expected a number, 0 or more");
  return number;
}

std::string one_of(const std::string& flag, const std::string& value,
                   std::initializer_list<const char*> known) {
  std::string all;
  for (const char* k : known) {
    if (value == k) return value;
    all += std::string(all.empty() ? "" : ", ") + k;
  }
  throw std::invalid_argument(flag + " " + value + ": expected one of " + all);
}

std::uint32_t mix(std::uint32_t h) {
  h ^= h >> 16;
  h *= 0x85EBCA6Bu;
  h ^= h >> 13;
  h *= 0xC2B2AE35u;
  return h ^ (h >> 16);
}

std::uint32_t bits_of(float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

}  // namespace

HeadOptions parse_head_options(int argc, char** argv, HeadOptions o) {
  for (int i = 0; i < qcf_head_count(); ++i)
    o.heads.emplace_back(qcf_head_name(static_cast<qcf_head_kind>(i)));
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--help" || flag == "-h") {
      print_and_exit(argv[0], std::string("usage: ") + argv[0] + " [options]\n" + kUsage);
    }
    if (flag == "--sgd" || flag == "--dw" || flag == "--forward") {
      o.sgd = flag == "--sgd";
      o.forward = flag == "--forward";
      continue;
    }
    if (flag == "--no-products") {
      o.products = false;
      continue;
    }
    if (i + 1 >= argc)
      throw std::invalid_argument(flag + ": unknown option or missing value (--help lists them)");
    const std::string value = argv[++i];
    if (flag == "--n") {
      o.n.clear();
      for (const std::string& part : split(value)) o.n.push_back(positive(flag, part));
    } else if (flag == "--d") {
      o.d = positive(flag, value);
    } else if (flag == "--k") {
      o.k.clear();
      for (const std::string& part : split(value)) o.k.push_back(positive(flag, part));
    } else if (flag == "--heads" || flag == "--head") {
      o.heads = split(value);
    } else if (flag == "--types" || flag == "--type") {
      o.types = split(value);
    } else if (flag == "--plans" || flag == "--plan") {
      o.plans = split(value);
    } else if (flag == "--phase") {
      o.phase = one_of(flag, value, {"norm", "id"});
    } else if (flag == "--cache") {
      o.cache = one_of(flag, value, {"cold", "warm"});
    } else if (flag == "--isa") {
      o.isa = one_of(flag, value, {"auto", "baseline", "avx2", "avx512"});
    } else if (flag == "--threads") {
      o.threads = static_cast<int>(positive(flag, value, 1024));
    } else if (flag == "--seconds") {
      o.timing.seconds = seconds(flag, value);
    } else if (flag == "--warmup") {
      o.timing.warmup_seconds = seconds(flag, value);
    } else if (flag == "--budget") {
      o.budget = seconds(flag, value);
    } else if (flag == "--samples-min") {
      o.timing.least = static_cast<std::size_t>(positive(flag, value));
    } else if (flag == "--peak") {
      o.peak_tflops = seconds(flag, value);
    } else if (flag == "--json") {
      o.json = value;
    } else {
      throw std::invalid_argument(flag + ": unknown option (--help lists them)");
    }
  }
  o.quiet = o.json == "-";
  for (const std::string& type : o.types) type_from_name(type);
  return o;
}

qcf_phase phase_of(const HeadOptions& options, qcf_head_kind kind) {
  return options.phase == "norm" && qcf_head_has_magnitude_loss(kind) != 0 ? QCF_PHASE_NORM : QCF_PHASE_ID;
}

float input_value(std::uint64_t index, std::uint32_t seed) {
  const std::uint32_t h = mix(static_cast<std::uint32_t>(index) ^ mix(seed));
  return static_cast<float>(static_cast<std::int32_t>(h >> 8) - (1 << 23)) * 0x1p-23f;
}

void fill_inputs(float* values, std::size_t count, std::uint32_t seed) {
  const auto all = static_cast<std::int64_t>(count);
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < all; ++i) values[i] = input_value(static_cast<std::uint64_t>(i), seed);
}

std::vector<std::int64_t> input_labels(std::int64_t n, std::int64_t k) {
  std::vector<std::int64_t> labels(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int64_t>(i) * 7919 % k;
  return labels;
}

// The inputs lie in [-1, 1) and are multiples of 2^-23, so fp16 needs no case for infinities or NaN.
std::uint16_t to_16_bit(float value, qcf_type type) {
  const std::uint32_t bits = bits_of(value);
  if (type == QCF_TYPE_BF16) return static_cast<std::uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  int exponent = 0;
  const double fraction = std::frexp(std::fabs(static_cast<double>(value)), &exponent);
  if (fraction == 0) return static_cast<std::uint16_t>(sign);
  if (exponent < -13) {  // subnormal: multiples of 2^-24
    return static_cast<std::uint16_t>(
        sign | static_cast<std::uint32_t>(std::nearbyint(std::ldexp(fraction, exponent + 24))));
  }
  const auto mantissa = static_cast<std::uint32_t>(std::nearbyint(std::ldexp(fraction, 11)));  // 1024 .. 2048
  return static_cast<std::uint16_t>(sign | (static_cast<std::uint32_t>(exponent + 13) * 1024u + mantissa));
}

float from_16_bit(std::uint16_t half, qcf_type type) {
  if (type == QCF_TYPE_BF16) {
    const std::uint32_t bits = static_cast<std::uint32_t>(half) << 16;
    float value = 0;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }
  const int exponent = (half >> 10) & 31, mantissa = half & 1023;
  const double size = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return static_cast<float>((half & 0x8000u) != 0 ? -size : size);
}

qcf_type type_from_name(const std::string& name) {
  for (const qcf_type type : {QCF_TYPE_F32, QCF_TYPE_BF16, QCF_TYPE_F16}) {
    if (name == qcf_type_name(type)) return type;
  }
  throw std::invalid_argument("type '" + name + "': expected f32, bf16 or f16");
}

double step_flops(std::int64_t n, std::int64_t d, std::int64_t k, bool forward) {
  return (forward ? 2.0 : 8.0) * static_cast<double>(n) * static_cast<double>(d) * static_cast<double>(k);
}

double step_bytes(std::int64_t n, std::int64_t d, std::int64_t k, int operand_bytes, bool sgd, bool forward) {
  const double w = static_cast<double>(k) * static_cast<double>(d),
               x = 4.0 * static_cast<double>(n) * static_cast<double>(d);
  if (forward) return w * operand_bytes + x;
  const double passes = 2.0 * operand_bytes * w;
  double update = 4 * w;  // dw
  if (sgd) update = 12 * w + (operand_bytes == 2 ? 4 * w + 2 * w : 0);
  return passes + update + 2 * x;
}

}  // namespace qcface::bench
