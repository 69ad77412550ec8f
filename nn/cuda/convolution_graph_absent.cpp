// Builds without cudnn-frontend.
#include "core/error.h"
#include "nn/cuda/convolution_graph.h"

namespace qcface::nn::cuda {

bool has_graph_planner() { return false; }

std::unique_ptr<GraphPlanner> make_graph_planner(cudaStream_t, bool) { return nullptr; }

std::unique_ptr<GraphPlanner> make_described_planner(const std::string&, bool) {
  fail("this build has no cudnn-frontend: run third_party/install-packages.sh and configure again");
}

}  // namespace qcface::nn::cuda
