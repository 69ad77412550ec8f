// Convolutions as operation graphs, which cuDNN answers with a list of candidate plans (an engine and its settings).
// This header keeps cudnn-frontend, large and slow to compile, inside convolution_graph.cpp. A planner for a device that
// is only described needs no GPU: it can say everything about a plan but its time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "nn/cuda/convolution.h"

namespace qcface::nn::cuda {

enum class ConvolutionPass { kForward, kForwardSums, kBackwardData, kBackwardWeights };
const char* name_of(ConvolutionPass pass);

/// What a pass reads and writes; the others stay null.
struct PassPointers {
  const void* x = nullptr;
  const void* w = nullptr;
  const void* dy = nullptr;
  void* out = nullptr;    // y, dx or dw
  float* sums = nullptr;  // kForwardSums: [2, K]
};

/// An array as it was described to cuDNN.
struct GraphTensor {
  std::string name;  // "x", "w", "dy", "out", "sum", "squares"
  StorageType type = StorageType::kF32;
  std::vector<std::int64_t> dim, stride;  // N, C, H, W; in elements
};

/// One pass of one shape with its candidates, the one expected to be fastest first. Only candidates that give the same
/// bits every time, keep fp32 sums and stay within kConvolutionWorkspaceLimit can be built.
class ConvolutionGraph {
 public:
  virtual ~ConvolutionGraph() = default;
  virtual std::vector<GraphTensor> tensors() const = 0;
  virtual int candidates() const = 0;
  /// Engine and settings, the same text for the same plan in every process: "eng47_k2=16...".
  virtual std::string name(int candidate) const = 0;
  /// Whether cuDNN says that the candidate gives the same bits every time. Those that do not cannot be built.
  virtual bool reproducible(int candidate) const = 0;
  /// Makes the candidate ready to run; false if it breaks a promise above or cuDNN refuses it.
  virtual bool build(int candidate) = 0;
  // Of built candidates.
  virtual std::size_t workspace_bytes(int candidate) const = 0;
  virtual void run(int candidate, const PassPointers& pointers, void* workspace) = 0;
};

class GraphPlanner {
 public:
  virtual ~GraphPlanner() = default;
  virtual std::string library() const = 0;  // "cuDNN 9.19.0"
  /// Throws Error with cuDNN's reason where it offers no plan at all.
  virtual std::unique_ptr<ConvolutionGraph> plan(const ConvolutionShape& shape, ConvolutionPass pass) = 0;
};

/// Whether this build has cudnn-frontend.
bool has_graph_planner();

/// Plans for the current device, run on `stream`. Null without cudnn-frontend; throws Error if cuDNN cannot be used.
std::unique_ptr<GraphPlanner> make_graph_planner(cudaStream_t stream, bool tf32);

/// Plans for a device described by JSON (tests/data/devices). Its plans cannot run.
std::unique_ptr<GraphPlanner> make_described_planner(const std::string& device_json, bool tf32);

}  // namespace qcface::nn::cuda
