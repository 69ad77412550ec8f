// The flags that every command with a trained model shares.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "core/comm/communicator.h"
#include "harness/console/option_table.h"
#include "harness/console/progress.h"
#include "harness/console/timeout_option.h"
#include "harness/eval/features/features.h"
#include "harness/model/model.h"
#include "nn/backend.h"

namespace qcface::cli {

/// Flags of the published scripts stand beside ours, as other names of the same options where they mean the same.
struct ModelFlags {
  std::string weights;
  std::string arch;
  std::string loss_model;  // with arch the preset of the quality-aware score, where a protocol takes one
  std::string train_data;  // the published scripts need it to size a head; nothing rests on it here
  int embed_dims = 0;      // 0: as the file has it
  int gpu = 0;
  std::optional<bool> use_flip_test;
  std::optional<model::Family> family;
  std::optional<nn::DeviceKind> device;
  int threads = 0;
  int workers = 2;
  std::int64_t batch_size = 64;
  eval::FlipFusion flip = eval::FlipFusion::kNone;
  std::string cache;
  double timeout = kRankTimeoutSeconds;

  void add_to(OptionTable& table);
  /// After parsing. Throws UsageError for flags that contradict each other.
  void settle(const OptionTable& table);
  /// Settles --device and --gpu; throws Error for cuda without a GPU.
  nn::DeviceChoice chosen_device(const Communicator& communicator) const;
  /// Loads the model; throws Error naming the flag when something is missing.
  model::Model load(const nn::DeviceChoice& chosen, const Communicator& communicator) const;
  /// Picture preparation as the model was trained.
  eval::ExtractOptions extract(const model::Model& model) const;
};

/// One pass of a model over pictures, shared out over ranks: the loaded model, its progress bar and picture preparation.
class EmbeddingRun {
 public:
  EmbeddingRun(const ModelFlags& flags, Communicator& communicator);
  /// What a result file says of how it came about.
  std::map<std::string, std::string> conditions() const;
  const nn::DeviceChoice& device() const { return device_; }

 private:
  std::string weights_;
  nn::DeviceChoice device_;

 public:
  model::Model model;
  Progress progress{"embedding", 1, "pictures"};
  model::NetworkEmbedder embedder;
  eval::NetworkFeatures features;
};

}  // namespace qcface::cli
