// The choice among a graph's candidates, and the convolution library that is made of such choices. Neither knows cuDNN:
// planner, clock and fallback are handed in.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "nn/cuda/convolution_cache.h"
#include "nn/cuda/convolution_graph.h"

namespace qcface::nn::cuda {

/// Milliseconds of a built candidate; nothing where it cannot be timed (no memory left for its operands).
using PlanClock = std::function<std::optional<double>(ConvolutionGraph& graph, int candidate,
                                                      const ConvolutionShape& shape, ConvolutionPass pass)>;

/// Milliseconds that a batch norm takes to read the convolution's output once more for its statistics.
using StatisticsClock = std::function<std::optional<double>(const ConvolutionShape& shape)>;

struct PlanChoice {
  int candidate = 0;
  bool timed = false;  // worth keeping
  double time = 0;     // milliseconds, if timed
};

/// `known`, a plan's name, if it can be built. Else the fastest of the first four that can; without a clock, or where
/// one of them cannot be timed, the first. Nothing if no candidate can be built.
std::optional<PlanChoice> choose_plan(ConvolutionGraph& graph, const std::string& known,
                                      const PlanClock& clock, const ConvolutionShape& shape,
                                      ConvolutionPass pass);

struct GraphLibraryParts {
  std::unique_ptr<GraphPlanner> planner;
  PlanClock clock;  // empty: the candidate that is expected to be fastest
  StatisticsClock statistics_clock;
  std::string device;  // GPU and driver, part of the cache's keys
  std::filesystem::path cache;
  std::string name_suffix;
  /// Made when a shape is refused, told in one line the first time.
  std::function<std::unique_ptr<ConvolutionLibrary>()> fallback;
};

/// Sums come out of the convolution where that is planned and, by the clocks, no slower than the convolution without
/// them and a pass over its output.
std::unique_ptr<ConvolutionLibrary> make_graph_convolutions(GraphLibraryParts parts);

}  // namespace qcface::nn::cuda
