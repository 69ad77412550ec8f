#include "nn/cuda/convolution_choice.h"

#include <array>
#include <chrono>
#include <limits>
#include <map>
#include <vector>

#include "core/error.h"
#include "core/log.h"

namespace qcface::nn::cuda {
namespace {

constexpr std::size_t kTimed = 4;
// Some engines are compiled when their plan is built, which may take seconds: no further one is tried once a pass has taken
// this long. A network has some eighty passes.
constexpr std::chrono::milliseconds kPatience{250};
// A later candidate has to win by this much: below it the clock decides nothing, and the heuristic's order stands.
constexpr double kMargin = 0.98;
// Kept in place of a plan with sums that is slower than convolution and statistics one after the other.
constexpr const char* kSeparate = "separate";

}  // namespace

const char* name_of(ConvolutionPass pass) {
  switch (pass) {
    case ConvolutionPass::kForward:
      return "forward";
    case ConvolutionPass::kForwardSums:
      return "forward with sums";
    case ConvolutionPass::kBackwardData:
      return "gradient of its input";
    case ConvolutionPass::kBackwardWeights:
      return "gradient of its weights";
  }
  return "?";
}

void Convolution::forward_sums(const void*, const void*, void*, float*, void*) {
  fail("this convolution leaves no sums");
}

std::optional<PlanChoice> choose_plan(ConvolutionGraph& graph, const std::string& known,
                                      const PlanClock& clock, const ConvolutionShape& shape,
                                      ConvolutionPass pass) {
  for (int i = 0; !known.empty() && i < graph.candidates(); ++i) {
    if (graph.name(i) == known && graph.build(i)) return PlanChoice{i, false, 0};
  }
  std::vector<int> built;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < graph.candidates() && built.size() < (clock ? kTimed : 1); ++i) {
    if (!built.empty() && std::chrono::steady_clock::now() - start > kPatience) break;
    bool again = false;  // the heuristic's two lists overlap
    for (const int other : built) again = again || graph.name(other) == graph.name(i);
    if (!again && graph.build(i)) built.push_back(i);
  }
  if (built.empty()) return std::nullopt;
  PlanChoice best{built[0], false, 0};
  if (!clock) return best;
  for (const int i : built) {
    const std::optional<double> time = clock(graph, i, shape, pass);
    if (!time) return PlanChoice{built[0], false, 0};
    if (i == built[0] || *time < kMargin * best.time) best = {i, true, *time};
  }
  return best;
}

namespace {

class GraphConvolutions;

/// Passes are planned when their workspace is first asked for: an evaluation never plans a gradient.
class GraphConvolution final : public Convolution {
 public:
  GraphConvolution(GraphConvolutions& library, const ConvolutionShape& shape)
      : library_(library), shape_(shape) {}

  std::size_t forward_bytes() const override { return bytes(ConvolutionPass::kForward); }
  std::size_t backward_data_bytes() const override { return bytes(ConvolutionPass::kBackwardData); }
  std::size_t backward_weights_bytes() const override { return bytes(ConvolutionPass::kBackwardWeights); }
  bool gives_sums() const override { return pass(ConvolutionPass::kForwardSums).graph != nullptr; }
  std::size_t forward_sums_bytes() const override { return bytes(ConvolutionPass::kForwardSums); }

  void forward(const void* x, const void* w, void* y, void* workspace) override {
    if (!run(ConvolutionPass::kForward, {x, w, nullptr, y, nullptr}, workspace))
      fallback().forward(x, w, y, workspace);
  }
  void backward_data(const void* w, const void* dy, void* dx, void* workspace) override {
    if (!run(ConvolutionPass::kBackwardData, {nullptr, w, dy, dx, nullptr}, workspace))
      fallback().backward_data(w, dy, dx, workspace);
  }
  void backward_weights(const void* x, const void* dy, void* dw, void* workspace) override {
    if (!run(ConvolutionPass::kBackwardWeights, {x, nullptr, dy, dw, nullptr}, workspace))
      fallback().backward_weights(x, dy, dw, workspace);
  }
  void forward_sums(const void* x, const void* w, void* y, float* sums, void* workspace) override {
    if (!run(ConvolutionPass::kForwardSums, {x, w, nullptr, y, sums}, workspace))
      fail("{}: no plan leaves sums", to_string(shape_));
  }

 private:
  struct Pass {
    bool planned = false;
    std::unique_ptr<ConvolutionGraph> graph;  // null: refused
    int candidate = 0;
  };

  Pass& pass(ConvolutionPass which) const;
  Convolution& fallback() const;
  std::size_t bytes(ConvolutionPass which) const {
    const Pass& p = pass(which);
    if (p.graph) return p.graph->workspace_bytes(p.candidate);
    switch (which) {
      case ConvolutionPass::kForward:
        return fallback().forward_bytes();
      case ConvolutionPass::kBackwardData:
        return fallback().backward_data_bytes();
      case ConvolutionPass::kBackwardWeights:
        return fallback().backward_weights_bytes();
      case ConvolutionPass::kForwardSums:
        return 0;
    }
    return 0;
  }
  bool run(ConvolutionPass which, const PassPointers& pointers, void* workspace) {
    Pass& p = pass(which);
    if (p.graph) p.graph->run(p.candidate, pointers, workspace);
    return p.graph != nullptr;
  }

  GraphConvolutions& library_;
  ConvolutionShape shape_;
  mutable std::array<Pass, 4> passes_;
  mutable std::shared_ptr<Convolution> fallback_;
};

class GraphConvolutions final : public ConvolutionLibrary {
 public:
  explicit GraphConvolutions(GraphLibraryParts parts)
      : parts_(std::move(parts)), cache_(parts_.cache), library_(parts_.planner->library()) {
    // Times differ from run to run, and with them the choice and the last bits: what is not kept is not timed.
    if (!cache_.enabled()) parts_.clock = nullptr;
  }
  ~GraphConvolutions() override { found_.clear(); }  // plans go before planner and fallback
  GraphConvolutions(const GraphConvolutions&) = delete;
  GraphConvolutions& operator=(const GraphConvolutions&) = delete;

  std::string name() const override { return library_ + parts_.name_suffix; }
  std::shared_ptr<Convolution> find(const ConvolutionShape& shape) override {
    auto& slot = found_[shape];
    if (!slot) slot = std::make_shared<GraphConvolution>(*this, shape);
    return slot;
  }

  /// Null where no plan can be had; `candidate` is set otherwise.
  std::unique_ptr<ConvolutionGraph> plan(const ConvolutionShape& shape, ConvolutionPass pass,
                                         int& candidate) {
    std::string reason = "no candidate can be built";
    try {
      std::unique_ptr<ConvolutionGraph> graph = parts_.planner->plan(shape, pass);
      const std::string key = fmt::format("{}, {}, {}, {}{}", parts_.device, library_, to_string(shape),
                                          name_of(pass), parts_.name_suffix);
      const std::string known = cache_.find(key);
      if (known == kSeparate) return nullptr;
      if (const auto choice = choose_plan(*graph, known, parts_.clock, shape, pass)) {
        candidate = choice->candidate;
        if (!choice->timed) return graph;
        const bool separate = pass == ConvolutionPass::kForwardSums && choice->time > time_apart(shape);
        const std::string kept = cache_.keep(key, separate ? kSeparate : graph->name(candidate));
        if (kept == kSeparate) return nullptr;
        if (kept == graph->name(candidate)) return graph;
        if (const auto theirs = choose_plan(*graph, kept, nullptr, shape, pass))
          candidate = theirs->candidate;
        return graph;
      }
    } catch (const Error& error) {
      reason = error.what();
    }
    if (pass != ConvolutionPass::kForwardSums && !told_) {
      told_ = true;
      log::warn(
          "no plan of cuDNN's graph API for {}, {}: {}. Its older functions are used there, and wherever it "
          "happens again",
          to_string(shape), name_of(pass), reason);
    }
    return nullptr;
  }

  std::shared_ptr<Convolution> fallback(const ConvolutionShape& shape) {
    if (!fallback_) fallback_ = parts_.fallback();
    return fallback_->find(shape);
  }

 private:
  /// Of the convolution without sums and the statistics after it; infinite where it cannot be timed.
  double time_apart(const ConvolutionShape& shape) {
    constexpr double kUnknown = std::numeric_limits<double>::infinity();
    if (!parts_.statistics_clock) return kUnknown;
    int candidate = 0;
    const auto graph = plan(shape, ConvolutionPass::kForward, candidate);
    if (!graph) return kUnknown;
    const auto convolution = parts_.clock(*graph, candidate, shape, ConvolutionPass::kForward);
    const auto statistics = parts_.statistics_clock(shape);
    return convolution && statistics ? *convolution + *statistics : kUnknown;
  }

  GraphLibraryParts parts_;
  PlanCache cache_;
  std::string library_;
  bool told_ = false;
  std::unique_ptr<ConvolutionLibrary> fallback_;
  std::map<ConvolutionShape, std::shared_ptr<Convolution>> found_;
};

GraphConvolution::Pass& GraphConvolution::pass(ConvolutionPass which) const {
  Pass& p = passes_[static_cast<std::size_t>(which)];
  if (!p.planned) p.graph = library_.plan(shape_, which, p.candidate);
  p.planned = true;
  return p;
}

Convolution& GraphConvolution::fallback() const {
  if (!fallback_) fallback_ = library_.fallback(shape_);
  return *fallback_;
}

}  // namespace

std::unique_ptr<ConvolutionLibrary> make_graph_convolutions(GraphLibraryParts parts) {
  return std::make_unique<GraphConvolutions>(std::move(parts));
}

}  // namespace qcface::nn::cuda
