#include "harness/train/trainer_parts.h"

#include <algorithm>

#include "core/error.h"
#include "core/log.h"
#include "nn/backbones/table.h"

namespace qcface::train {
data::LoaderOptions loader_options(const TrainOptions& o) {
  data::LoaderOptions loader;
  loader.batch_size = o.batch_size;
  loader.workers = o.workers;
  loader.seed = o.seed;
  loader.shuffle = !o.no_shuffle;
  loader.augment = o.augment;
  loader.jpeg_swap_rb = o.jpeg_swap_rb;
  loader.preparation = o.preparation;
  loader.drop_last = o.drop_last;
  return loader;
}

qcf_head_config head_config(const TrainOptions& o) {
  qcf_head_config config = qcface::make_head_config(o.loss_model);
  config.phase = o.phase;
  if (o.rule) config.rule = *o.rule;
  if (o.scale != 0) config.s = o.scale;
  if (o.margin != -1) config.m = o.margin;
  config.lambda = o.lambda_g;
  config.training = 1;
  return config;
}

Engine make_engine(const TrainOptions& o, const nn::DeviceChoice& device, int threads, std::int64_t classes,
                   std::int64_t pictures, Communicator& communicator) {
  EngineOptions engine;
  engine.seed = o.seed;
  engine.optimiser = {static_cast<float>(o.momentum), static_cast<float>(o.weight_decay)};
  engine.head = head_config(o);
  engine.classes = classes;
  engine.largest_batch = std::min(o.batch_size, pictures);
  engine.preparation = o.preparation;
  return Engine(nn::make_backend(device, o.precision, threads),
                nn::backbone(o.arch).build({.embed_dim = o.embed_dims, .dropout = o.dropout}), engine,
                communicator);
}

nn::ScheduleConfig schedule_config(const TrainOptions& o, std::int64_t steps_per_epoch) {
  nn::ScheduleConfig schedule;
  schedule.kind = o.lr_schedule;
  schedule.lr = o.lr;
  // The published trainer multiplies when it enters a listed epoch: once for an epoch listed twice, and not for
  // epochs before --start-epoch.
  for (const int epoch : o.lr_drop_epoch) {
    const bool seen = std::count(schedule.drop_epochs.begin(), schedule.drop_epochs.end(), epoch) > 0;
    if (epoch >= o.start_epoch && !seen) schedule.drop_epochs.push_back(epoch);
  }
  schedule.drop_ratio = o.lr_drop_ratio;
  schedule.warmup_steps = o.warmup_steps;
  schedule.epochs = o.epochs;
  schedule.steps_per_epoch = std::max<std::int64_t>(steps_per_epoch, 1);
  schedule.final_lr = o.lr_min;
  nn::check_schedule(schedule);
  return schedule;
}

void check_batches(const TrainOptions& o, std::int64_t size, std::int64_t batches_per_epoch) {
  const std::int64_t batch = o.batch_size;
  require(batches_per_epoch > 0,
          "--drop-last leaves no batch: {} pictures are fewer than --batch-size {}; use a smaller batch",
          size, batch);
  require(o.drop_last || size % batch != 1,
          "the last batch of an epoch would hold one picture ({} pictures, --batch-size {}), for which batch "
          "norm is undefined: "
          "use --drop-last or another --batch-size",
          size, batch);
  if (batch > size)
    log::warn("--batch-size {} is larger than the set: every epoch is one batch of {} pictures", batch, size);
}

void announce(const TrainOptions& o, const data::PictureSource& set, std::int64_t batches_per_epoch,
              Engine& engine) {
  nn::Network& network = engine.network();
  const std::int64_t largest = std::min(o.batch_size, set.size());
  const nn::ArenaLayout& layout = network.arena_layout(static_cast<int>(largest), nn::Mode::kTrain);
  log::info("run folder:  {}", o.pth_save_fold);
  log::info(
      "data:        {} pictures of {} identities, {} batches of {} an epoch, augmentation {}, {} workers",
      set.size(), set.num_classes(), batches_per_epoch, o.batch_size, name_of(augment_choices(), o.augment),
      o.workers);
  log::info("backbone:    {} with {:.2f} M parameters, embedding width {}, dropout {}", o.arch,
            static_cast<double>(network.parameters().weight_count()) / 1e6, o.embed_dims, o.dropout);
  const qcf_head_config head = head_config(o);
  log::info("head:        {}, phase {}, lambda {}, s {}, m {}, rule {}", qcf_head_name(o.loss_model),
            name_of(phase_choices(), o.phase), o.lambda_g, head.s, head.m, qcf_rule_name(head.rule));
  if (o.phase == QCF_PHASE_NORM && qcf_head_has_magnitude_loss(head.kind) == 0) {
    log::warn("--phase norm: {} has no loss on magnitudes; it trains as in phase id",
              qcf_head_name(o.loss_model));
  } else if (o.phase == QCF_PHASE_ID && head.kind == QCF_HEAD_MAGFACE) {
    log::warn("magface without its loss on magnitudes: give --phase norm for the published method");
  }
  log::info("optimiser:   SGD lr {} ({}), momentum {}, weight decay {}", o.lr,
            name_of(schedule_choices(), o.lr_schedule), o.momentum, o.weight_decay);
  log::info("device:      {}, {}", engine.backend().device(), engine.backend().name());
  log::info("activations: peak {:.1f} MiB at batch {} ({:.1f} MiB without reuse)",
            static_cast<double>(layout.peak_bytes) / (1 << 20), largest,
            static_cast<double>(layout.total_bytes) / (1 << 20));
}

}  // namespace qcface::train
