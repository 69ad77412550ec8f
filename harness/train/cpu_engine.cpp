// Training steps on the CPU, each finished when it returns.
#include <cmath>
#include <iterator>
#include <span>

#include "core/error.h"
#include "harness/train/step_engine.h"

namespace qcface::train {
namespace {

class CpuEngine final : public StepEngine {
 public:
  CpuEngine(const nn::Graph& graph, const EngineOptions& options, Head& head, Communicator& communicator)
      : options_(options),
        backend_(nn::make_cpu_backend(options.threads)),
        network_(graph, *backend_),
        head_(head),
        communicator_(communicator) {}

  std::string description() const override { return fmt::format("cpu, {} threads, fp32", options_.threads); }
  const char* device() const override { return "cpu"; }
  bool takes_pixels() const override { return false; }
  nn::Network& network() override { return network_; }
  void upload(Head&) override {}
  void download(Head&) override {}
  std::optional<FinishedStep> finish() override { return std::nullopt; }
  int pending() const override { return 0; }

  std::optional<FinishedStep> step(const data::Batch& batch, const StepOrder& order) override {
    const auto n = static_cast<std::size_t>(batch.size);
    const std::span<const float> images(batch.images, n * network_.graph().nodes().front().shape.elements());
    nn::DropoutKey key;
    key.seed = options_.seed;
    key.epoch = static_cast<std::uint32_t>(order.epoch);
    key.step = static_cast<std::uint64_t>(order.batch);
    const auto stop = [&](std::span<const float> dx, const std::string& found) {
      throw NotFinite(order, found, network_.find_non_finite(images, static_cast<int>(n), key, dx));
    };

    const std::span<const float> embeddings = network_.forward_train(images, static_cast<int>(n), key);
    if (!nn::all_finite(embeddings)) stop({}, "the embeddings");
    if (!nn::all_finite(head_.weights())) stop({}, "tensor head.weight");
    const HeadStep head = head_.step(embeddings.data(), batch.labels.data(), batch.size);
    if (!std::isfinite(head.loss)) stop({}, "the loss of head " + options_.head.loss_model);
    if (!nn::all_finite(head_.gradient())) stop({}, "the gradient of tensor head.weight");
    network_.backward(head.dx);
    for (const std::span<float> gradient : {network_.parameters().gradients(), head_.gradient()})
      communicator_.all_reduce(array_of(gradient.data(), std::ssize(gradient)), Reduce::kSum);
    if (!nn::all_finite(network_.parameters().gradients())) stop(head.dx, "the backbone's gradients");

    const nn::SgdStep sgd{static_cast<float>(order.lr), options_.momentum, options_.weight_decay, false};
    nn::sgd_update(network_.parameters().weights(), network_.parameters().gradients(),
                   network_.parameters().momentum(), sgd, options_.threads);
    nn::sgd_update(head_.weights(), head_.gradient(), head_.momentum(), sgd, options_.threads);
    return FinishedStep{order, head};
  }

 private:
  EngineOptions options_;
  std::unique_ptr<nn::Backend> backend_;
  nn::Network network_;
  Head& head_;
  Communicator& communicator_;
};

}  // namespace

std::unique_ptr<StepEngine> make_cpu_engine(const nn::Graph& graph, const EngineOptions& options, Head& head,
                                            Communicator& communicator) {
  return std::make_unique<CpuEngine>(graph, options, head, communicator);
}

}  // namespace qcface::train
