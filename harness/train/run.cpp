#include "harness/train/run.h"

#include <omp.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "harness/console/compute_threads.h"
#include "harness/console/interrupt.h"
#include "harness/train/checkpoint_files.h"
#include "harness/train/class_list.h"
#include "harness/train/initial_weights.h"
#include "harness/train/training_set.h"
#include "nn/backbones/table.h"

namespace qcface::train {

namespace {

namespace fs = std::filesystem;

data::LoaderOptions loader_options(const TrainOptions& o, const Communicator& communicator) {
  data::LoaderOptions loader;
  loader.slice = {communicator.rank(), communicator.size()};
  loader.batch_size = o.batch_size;
  loader.workers = o.workers;
  loader.seed = o.seed;
  loader.shuffle = !o.no_shuffle;
  loader.weights = o.data_weights;
  loader.augment = o.augment;
  loader.jpeg_swap_rb = o.jpeg_swap_rb;
  loader.preparation = o.preparation;
  loader.drop_last = o.drop_last;
  return loader;
}

std::string processes(int ranks) { return ranks == 1 ? "one process" : fmt::format("{} processes", ranks); }

qcf_head_config head_config(const TrainOptions& o) {
  qcf_head_config config = qcface::make_head_config(o.loss_model);
  config.phase = o.phase;
  if (o.rule) config.rule = *o.rule;
  if (o.scale != 0) config.s = o.scale;
  if (o.margin != -1) config.m = o.margin;
  config.lambda = o.lambda_g;
  return config;
}

std::int64_t pictures_per_epoch(const TrainOptions& o, const data::PictureSource& set) {
  return data::EpochPlan(set.parts(), o.data_weights).size();
}

EngineOptions engine_options(const TrainOptions& o, const data::PictureSource& set) {
  EngineOptions engine;
  engine.seed = o.seed;
  engine.optimiser = {static_cast<float>(o.momentum), static_cast<float>(o.weight_decay)};
  engine.head = head_config(o);
  engine.classes = set.num_classes();
  engine.largest_batch = std::min(o.batch_size, pictures_per_epoch(o, set));
  engine.accumulate = o.accumulate;
  engine.sync_bn = o.sync_bn;
  engine.exchange.overlap = !o.no_overlap;
  engine.sample_rate = o.sample_rate;
  engine.preparation = o.preparation;
  return engine;
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

// Refuses an epoch without a batch, or with one that batch norm is not defined for.
void check_batches(const TrainOptions& o, std::int64_t size, std::int64_t batches_per_epoch, int ranks) {
  const std::int64_t batch = o.batch_size;
  require(batches_per_epoch > 0,
          "--drop-last leaves no batch: the {} pictures of an epoch are fewer than --batch-size {}; use a "
          "smaller batch",
          size, batch);
  require(batch >= 2 * ranks * o.accumulate,
          "--batch-size {} over {} processes{}: each needs 2 pictures, so a batch of {} at least", batch,
          ranks, o.accumulate > 1 ? fmt::format(" in {} parts each", o.accumulate) : "",
          2 * ranks * o.accumulate);
  const std::int64_t last = size % batch;
  require(o.drop_last || last == 0 || last >= 2 * ranks,
          "the last batch of an epoch would hold {} ({} pictures, --batch-size {}{}), for which batch "
          "norm is undefined: "
          "use --drop-last or another --batch-size",
          last == 1 ? "one picture" : fmt::format("{} pictures", last), size, batch,
          ranks > 1 ? fmt::format(", {} processes that need two each", ranks) : "");
  if (batch > size)
    log::warn("--batch-size {} is larger than the set: every epoch is one batch of {} pictures", batch, size);
}

// Logs what is about to run.
void announce(const TrainOptions& o, const data::PictureSource& set, std::int64_t batches_per_epoch,
              Engine& engine) {
  nn::Network& network = engine.network();
  const std::int64_t largest = std::min(o.batch_size, pictures_per_epoch(o, set));
  const std::int64_t part = std::max<std::int64_t>((largest + o.accumulate - 1) / o.accumulate, 2);
  const nn::ArenaLayout& layout = network.arena_layout(static_cast<int>(part), nn::Mode::kTrain);
  log::info("run folder:  {}", o.pth_save_fold);
  log::info(
      "data:        {} pictures of {} identities, {} batches of {} an epoch, augmentation {}, {} workers",
      set.size(), set.num_classes(), batches_per_epoch, o.batch_size, data::text_of(o.augment), o.workers);
  announce_sets(set, o);
  log::info("input:       {}", model::describe(o.preparation));
  log::info("backbone:    {} with {:.2f} M parameters, embedding width {}, dropout {}, batch-norm eps {}",
            o.arch, static_cast<double>(network.parameters().weight_count()) / 1e6, o.embed_dims, o.dropout,
            o.bn_eps);
  const qcf_head_config head = head_config(o);
  log::info("head:        {}, phase {}, lambda {}, s {}, m {}, rule {}", qcf_head_name(o.loss_model),
            name_of(kPhaseChoices, o.phase), o.lambda_g, head.s, head.m, qcf_rule_name(head.rule));
  if (o.phase == QCF_PHASE_NORM && qcf_head_has_magnitude_loss(head.kind) == 0) {
    log::warn("--phase norm: {} has no loss on magnitudes; it trains as in phase id",
              qcf_head_name(o.loss_model));
  } else if (o.phase == QCF_PHASE_ID && head.kind == QCF_HEAD_MAGFACE) {
    log::warn("magface without its loss on magnitudes: give --phase norm for the published method");
  }
  if (engine.head().sample_size() > 0)
    log::info(
        "classes:     {} of each process's {} take part in a step (--sample-rate {}); acc and top5 are among "
        "these",
        engine.head().sample_size(), engine.head().own_classes().count, o.sample_rate);
  log::info("optimiser:   SGD lr {} ({}), momentum {}, weight decay {}", o.lr,
            name_of(kScheduleChoices, o.lr_schedule), o.momentum, o.weight_decay);
  if (engine.exchange() != nullptr) log::info("exchange:    {}", engine.exchange()->describe());
  log::info("device:      {}, {}", engine.backend().device(), engine.backend().name());
  log::info("activations: peak {:.1f} MiB at batch {}{} ({:.1f} MiB without reuse)",
            static_cast<double>(layout.peak_bytes) / (1 << 20), part,
            o.accumulate > 1 ? fmt::format(", one of {} parts", o.accumulate) : "",
            static_cast<double>(layout.total_bytes) / (1 << 20));
}

}  // namespace

Run::Run(const TrainOptions& o, const nn::DeviceChoice& device, const OptionTable::Json& config,
         const std::optional<CheckpointFacts>& resume, Communicator& ranks)
    : options(o),
      communicator(ranks),
      folder(o.pth_save_fold),
      threads(settle_threads(threads_of_rank(o.threads, ranks),
                             // a verification loads beside the training, gradients are exchanged
                             2 * o.workers + (ranks.size() > 1 && !o.no_overlap ? 1 : 0))),
      eval_sets(read_eval_sets(o)),
      set(scan_training_set(o)),
      engine(nn::make_backend(device, o.precision, threads),
             nn::backbone(o.arch).build(
                 {.embed_dim = o.embed_dims, .dropout = o.dropout, .bn_eps = static_cast<float>(o.bn_eps)}),
             engine_options(o, *set), ranks),
      network(engine.network()),
      loader(*set, loader_options(o, ranks)),
      schedule(schedule_config(o, loader.batches_per_epoch())),
      config_(config) {
  omp_set_num_threads(threads);
  best_by_from_text(o.best_by, eval_sets);  // a set that is not there shows at once
  check_batches(o, pictures_per_epoch(o, *set), loader.batches_per_epoch(), ranks.size());
  state.classes = set->num_classes();
  state.pictures = set->size();
  state.class_list = class_list_hash(set->class_names());
  state.picture_list = picture_list_hash(*set);
  state.threads = threads;
  state.ranks = ranks.size();
  if (resume) {
    restore(*resume);
  } else {
    begin();
  }
}

void Run::begin() {
  network.parameters().initialise(options.seed);
  engine.head().initialise(options.seed);
  if (!options.weight_path.empty()) {
    load_initial_weights(options, {state.class_list, set->class_names(), !has_numbered_classes(*set)},
                         network, engine.head());
  }
  state.epoch = options.start_epoch;
}

void Run::restore(const CheckpointFacts& facts) {
  require_same_identities(facts, state, *set, options);
  const RunState now = std::exchange(state, facts.state);
  state.pictures = now.pictures;
  state.class_list = now.class_list;
  state.picture_list = now.picture_list;
  // An epoch of fewer pictures than before may be over already.
  if (now.pictures != facts.state.pictures) state.batch = std::min(state.batch, loader.batches_per_epoch());
  if (state.threads != threads) {
    log::warn(
        "resuming with {} compute threads, the run began with {}: results stay right but may differ in the "
        "last bits; --threads {} repeats them exactly",
        threads, state.threads, state.threads);
  }
  if (state.ranks != communicator.size()) {
    log::warn("resuming with {}, the run began with {}: results stay right but may differ in the last bits{}",
              processes(communicator.size()), processes(state.ranks),
              options.sync_bn ? "" : ", and batch norm sees other parts of a batch (--sync-bn: the whole)");
  }
  load_checkpoint(facts.path, network, engine.head(), communicator);
  engine.set_loss_scale(
      {static_cast<float>(state.loss_scale), static_cast<std::uint32_t>(state.loss_scale_steps)});
  last_checkpoint = facts.path;
  log::info("resuming from {}: epoch {}, batch {}, step {}", facts.path.string(), state.epoch + 1,
            state.batch, state.global_step);
}

void Run::take_over_folder() {
  if (leads()) take_over_files();
  // The others' checkpoint is where the leader moved it.
  const std::string leaders = leaders_text(communicator, last_checkpoint.string());
  last_checkpoint = leaders;
  if (any_rank(communicator, leads() && !state.best)) state.best.reset();
  if (!leads()) return;
  announce(options, *set, loader.batches_per_epoch(), engine);
}

void Run::take_over_files() {
  write_class_list(folder, set->class_names());
  if (!last_checkpoint.empty()) {
    std::error_code error;
    if (is_of_run(last_checkpoint, folder)) {
      last_checkpoint = go_back_to(folder, last_checkpoint, state.global_step);
      // A kill between saving a new best and naming it.
      if (state.best_step == state.global_step) mark_best();
    }
    // A best value whose weights this folder does not hold is none.
    if (!fs::exists(best_path(folder), error)) state.best.reset();
  }
}

bool Run::stop_asked() {
  std::int32_t signal = interrupt_signal();
  communicator.all_reduce(array_of(&signal, 1), Reduce::kMax);
  if (signal != 0) adopt_interrupt(signal);
  return signal != 0;
}

std::int64_t Run::total_steps() const {
  const std::int64_t left =
      (options.epochs - state.epoch) * loader.batches_per_epoch() - state.batch + state.global_step;
  return options.max_steps > 0 ? std::min(left, options.max_steps) : left;
}

void Run::save() {
  const LossScaleState scale = engine.loss_scale();
  state.loss_scale = static_cast<double>(scale.scale);
  state.loss_scale_steps = scale.good_steps;
  const fs::path path = checkpoint_path(folder, state.global_step);
  save_checkpoint(path, network, engine.head(), options.arch, config_, state, communicator);
  last_checkpoint = path;
  if (leads()) prune_checkpoints(path, options.keep_last);
}

bool Run::saved() const { return last_checkpoint == checkpoint_path(folder, state.global_step); }

std::string Run::advice(std::int64_t step, double lr) const {
  const std::string checkpoint = last_checkpoint.empty() ? "none yet" : last_checkpoint.string();
  return fmt::format("Last checkpoint with finite weights: {}. {}", checkpoint,
                     divergence_advice(options, trend, {step, loader.batches_per_epoch(), lr}));
}

void Run::mark_best() const {
  if (leads()) train::mark_best(folder, last_checkpoint);
}

void Run::save_what_is_there() {
  if (!weights_good || communicator.size() > 1) return;
  try {
    while (const auto done = engine.finish()) state.count(*done);
    if (state.global_step == 0) return;  // a folder without checkpoints can be begun anew
    if (!saved()) save();
    log::warn(
        "stopped by an error after step {}, which is saved; when it is mended go on with: qcface train "
        "--resume {}",
        state.global_step, folder.string());
  } catch (const std::exception& error) {
    log::warn("the steps since the last checkpoint could not be saved: {}", error.what());
  }
}

}  // namespace qcface::train
