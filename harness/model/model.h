// A trained model for evaluation: backend, network with weights, and how its pictures are to be prepared.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "core/tensors/source.h"
#include "harness/data/preparation.h"
#include "harness/eval/features/embedder.h"
#include "harness/model/family.h"
#include "nn/backbones/table.h"
#include "nn/backend.h"
#include "nn/network.h"

namespace qcface::model {

struct Model {
  std::unique_ptr<nn::Backend> backend;
  std::unique_ptr<nn::Network> network;
  std::string arch;               // name of its backbone
  data::Preparation preparation;  // as the weights were trained with
};

struct FoundBackbone {
  const nn::Backbone& backbone;
  int embed_dim = 0;
};
/// The backbone of the tensors of a file, under our names (family.h): told from names and shapes, and where some are missing
/// from the metadata ("arch"). Throws Error naming the file when they are no known backbone.
FoundBackbone backbone_of(const TensorSource& file);

/// Backbone of a checkpoint of any family, ready for forward_eval (fp32); the log says which family and how pictures are
/// prepared. arch empty: found out. threads: on the CPU.
Model load_model(const std::filesystem::path& path, std::optional<Family> family, int threads,
                 const std::string& arch = "", const nn::DeviceChoice& device = {});

/// Warns of tensors that are neither the backbone's nor a head's: how many, and examples.
void warn_of_unexpected(const TensorSource& file, std::span<const nn::TensorSpec> backbone,
                        const std::string& arch);

/// A network behind the interface of evaluation.
class NetworkEmbedder final : public eval::Embedder {
 public:
  explicit NetworkEmbedder(nn::Network& network, std::int64_t max_batch = 64)
      : network_(network), max_batch_(max_batch) {}
  std::int64_t width() const override { return network_.output_width(); }
  std::int64_t max_batch() const override { return max_batch_; }
  void embed(const float* images, std::int64_t n, float* out) override;
  std::string fingerprint() const override;
  std::string model_hash() const override;

 private:
  nn::Network& network_;
  std::int64_t max_batch_;
};

}  // namespace qcface::model
