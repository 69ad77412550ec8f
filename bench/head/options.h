// Command line, inputs and labels that the benchmarks of the heads share.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/timing.h"
#include "qcface/kernels.h"

namespace qcface::bench {

struct HeadOptions {
  std::int64_t d = 512;
  std::vector<std::int64_t> n{64}, k;
  std::vector<std::string> heads, types, plans;
  std::string phase = "norm", isa = "auto", cache = "cold", json;
  int threads = 0;  // 0: as many as OpenMP would use
  bool sgd = false, forward = false, products = true, quiet = false;
  double peak_tflops = 0;  // stated by the caller; 0: measured (CPU) or from the data sheet (GPU)
  double budget = 1e9;     // seconds after which nothing new is started
  TimingPlan timing;
};

/// Starts from `defaults`; prints the usage and exits on --help. Throws std::invalid_argument.
HeadOptions parse_head_options(int argc, char** argv, HeadOptions defaults);

/// The phase that `--phase` asks of this head: heads without a magnitude loss have one phase only.
qcf_phase phase_of(const HeadOptions& options, qcf_head_kind kind);

/// In [-1, 1), from the element's index: peers.py makes the same values.
float input_value(std::uint64_t index, std::uint32_t seed);
void fill_inputs(float* values, std::size_t count, std::uint32_t seed);
std::vector<std::int64_t> input_labels(std::int64_t n, std::int64_t k);

/// Rounded to nearest even, and widened again.
std::uint16_t to_16_bit(float value, qcf_type type);
float from_16_bit(std::uint16_t bits, qcf_type type);

qcf_type type_from_name(const std::string& name);

/// 2 N K D a product; cosines twice, vectors and dW: 4 products, 1 with the loss alone.
double step_flops(std::int64_t n, std::int64_t d, std::int64_t k, bool forward);
/// The least that a step of ours moves between memory and processor: w twice and dw once, or with the update fused w
/// twice and written, velocity read and written; with 16-bit unit rows these twice instead, refreshed by the update,
/// which reads w itself. The rows of x are counted too; they matter at small K.
double step_bytes(std::int64_t n, std::int64_t d, std::int64_t k, int operand_bytes, bool sgd, bool forward);

}  // namespace qcface::bench
