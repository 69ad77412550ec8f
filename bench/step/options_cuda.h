// Command line of the benchmark of training steps on a GPU.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <qcface/kernels.hpp>
#include "bench/timing.h"
#include "nn/backend.h"
#include "nn/graph.h"

namespace qcface::bench {

struct StepOptions {
  std::vector<std::string> archs{"ir18", "ir50", "ir100"}, types{"bf16", "f16", "f32"};
  std::vector<std::int64_t> batches{512, 256, 128};
  std::string head = "qcface", json;
  std::int64_t classes = 93431;
  int side = 112, width = 512;
  bool parts = true, count = false;
  double peak_tflops = 0, peak_gbs = 0;  // 0: the data sheet's
  double budget = 1e9;                   // seconds after which nothing new is started
  TimingPlan timing{2, 0.5, 5, 400};
};

/// Prints the usage and exits on --help. Throws Error naming the flag.
StepOptions parse_step_options(int argc, char** argv);

/// "tiny": the smallest preset with widths 8 8 16 16, for tests.
nn::Graph step_graph(const StepOptions& options, const std::string& arch);
qcf_head_config head_config(const StepOptions& options);
nn::Precision precision_of(const std::string& type);

}  // namespace qcface::bench
