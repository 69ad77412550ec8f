#include "harness/cli/model_flags.h"

#include <array>

#include "harness/console/compute_threads.h"
#include "harness/console/usage.h"
#include "harness/model/device_choice.h"

namespace qcface::cli {

void ModelFlags::add_to(OptionTable& table) {
  table.add(
      "--weights,--weight_path", weights,
      "Checkpoint of this program, or of QCFace, MagFace, InsightFace or AdaFace: safetensors, .pth, .ckpt");
  table.add_choice("--family", family, model::kFamilyChoices,
                   "Whose batch-norm eps and picture preparation the weights need; auto: told from the file");
  table.add("--arch,--backbone", arch, "Architecture that the file must hold; empty: told from the file");
  table.add_number("--embed_dims", embed_dims, 0, 65536,
                   "Width of the embeddings that the file must have; 0: any");
  table.add_choice("--device", device, model::kDeviceChoices, "Where to run");
  table.add_number("--gpu", gpu, 0, 1023, "Number of the GPU; naming one asks for it");
  table.add_number("--threads", threads, 0, kMostThreads, "Compute threads; 0 takes all cores");
  table.add_number("-j,--workers,--num_workers", workers, 0, kMostWorkers, "Data loading threads");
  table.add_number("-b,--batch-size,--batch_size", batch_size, 1, 65536, "Pictures a batch");
  table.add_choice("--flip,--fusion_method", flip,
                   numbered_choices<eval::FlipFusion>(5, [](auto f) { return name_of(f); }),
                   "Fusion of a picture's embedding with its mirror image's");
  table.add_choice(
      "--use_flip_test", use_flip_test,
      {{"auto", std::nullopt}, {"True", true}, {"False", false}, {"true", true}, {"false", false}},
      "False: --flip none; True: --flip must not be none");
  table.add("--cache,--feature_root", cache,
            "Folder to keep embeddings in, and to take them from; empty: none are kept");
  add_timeout(table, timeout);
}

void ModelFlags::settle(const OptionTable& table) {
  if (use_flip_test == false) {
    require_usage(!table.given("flip") || flip == eval::FlipFusion::kNone,
                  "--use_flip_test False and --flip {} contradict each other: leave one of them out",
                  name_of(flip));
    flip = eval::FlipFusion::kNone;
  }
  require_usage(use_flip_test != true || flip != eval::FlipFusion::kNone,
                "--use_flip_test True needs a fusion: give --flip average, say");
  if (table.given("gpu") && !table.given("device")) device = nn::DeviceKind::kCuda;
}

nn::DeviceChoice ModelFlags::chosen_device(const Communicator& communicator) const {
  return model::choose_device(device, model::gpu_of_rank(std::array{gpu}, communicator),
                              nn::Precision::kFp32);
}

model::Model ModelFlags::load(const nn::DeviceChoice& chosen, const Communicator& communicator) const {
  require_usage(!weights.empty(), "--weights is missing: give a checkpoint");
  model::Model model = model::load_model(
      weights, family, settle_threads(threads_of_rank(threads, communicator), workers), arch, chosen);
  require(embed_dims == 0 || embed_dims == model.network->output_width(),
          "{}: embeddings are {} wide, but --embed_dims {} was asked for", weights,
          model.network->output_width(), embed_dims);
  return model;
}

eval::ExtractOptions ModelFlags::extract(const model::Model& model) const {
  eval::ExtractOptions extract;
  extract.batch_size = batch_size;
  extract.workers = workers;
  extract.preparation = model.preparation;
  extract.flip = flip;
  return extract;
}

namespace {

eval::ExtractOptions on_ranks(eval::ExtractOptions extract, Progress& progress, Communicator& communicator) {
  extract.ranks = &communicator;
  if (!extract.leads()) return extract;
  extract.progress = [&progress](std::size_t done, std::size_t total) { progress.update_of(done, total); };
  return extract;
}

}  // namespace

EmbeddingRun::EmbeddingRun(const ModelFlags& flags, Communicator& communicator)
    : weights_(flags.weights),
      device_(flags.chosen_device(communicator)),
      model(flags.load(device_, communicator)),
      embedder(*model.network, flags.batch_size),
      features(embedder, on_ranks(flags.extract(model), progress, communicator), flags.cache) {}

std::map<std::string, std::string> EmbeddingRun::conditions() const {
  return {{"weights", weights_}, {"arch", model.arch}, {"device", name_of(device_.kind)}};
}

}  // namespace qcface::cli
