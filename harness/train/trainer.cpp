#include "harness/train/trainer.h"

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "core/atomic_file.h"
#include "core/log.h"
#include "harness/console/interrupt.h"
#include "harness/console/logging.h"
#include "harness/console/memory.h"
#include "harness/data/image_folder.h"
#include "harness/data/loader.h"
#include "harness/model/model.h"
#include "harness/model/tensor_file.h"
#include "harness/report/report.h"
#include "harness/train/evaluation.h"
#include "harness/train/run_log.h"
#include "harness/train/step_engine.h"
#include "nn/iresnet.h"
#include "nn/schedule.h"

namespace qcface::train {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

data::ImageFolder scan(const TrainOptions& o) {
  const auto set = data::scan_image_folder(data::split_roots(o.data_dirs), o.merge_by_name);
  for (const std::string& warning : set.warnings()) log::warn("{}", warning);
  if (const auto colour = data::check_colour_order(set, o.swap_rb); !colour.warning.empty())
    log::warn("{}", colour.warning);
  return set;
}

data::LoaderOptions loader_options(const TrainOptions& o, bool pixels) {
  data::LoaderOptions loader;
  loader.pixels = pixels;
  loader.batch_size = o.batch_size;
  loader.workers = o.workers;
  loader.seed = o.seed;
  loader.shuffle = !o.no_shuffle;
  loader.augment = o.augment == "published" ? data::AugmentMode::kPublished : data::AugmentMode::kNone;
  loader.jpeg_swap_rb = o.jpeg_swap_rb;
  loader.swap_rb = o.swap_rb;
  loader.mean = o.mean;
  loader.std = o.std;
  loader.non_square = o.non_square == "reject" ? data::NonSquare::kReject : data::NonSquare::kCentreCrop;
  loader.drop_last = o.drop_last;
  return loader;
}

nn::IResNetConfig backbone_config(const TrainOptions& o) {
  nn::IResNetConfig config = nn::iresnet_config(o.arch, o.embed_dims);
  config.dropout = o.dropout;
  return config;
}

HeadOptions head_options(const TrainOptions& o, int threads) {
  return {o.loss_model, o.phase, o.rule, o.scale, o.margin, o.lambda_g, threads};
}

std::unique_ptr<StepEngine> make_engine(const TrainOptions& o, DeviceKind device, int threads, Head& head,
                                        Communicator& communicator) {
  EngineOptions engine;
  engine.precision = o.precision == "bf16"   ? nn::Precision::kBf16
                     : o.precision == "fp16" ? nn::Precision::kFp16
                                             : nn::Precision::kFp32;
  engine.gpu = o.gpu_id.front();
  engine.threads = threads;
  engine.seed = o.seed;
  engine.momentum = static_cast<float>(o.momentum);
  engine.weight_decay = static_cast<float>(o.weight_decay);
  engine.head = head_options(o, threads);
  engine.mean = o.mean;
  engine.std = o.std;
  const nn::Graph graph = nn::iresnet_graph(backbone_config(o));
  if (device == DeviceKind::kCpu) return make_cpu_engine(graph, engine, head, communicator);
  require(communicator.size() == 1,
          "--device cuda: this version trains on one GPU, but {} processes were started",
          communicator.size());
  return make_cuda_engine(graph, engine, head);
}

nn::ScheduleConfig schedule_config(const TrainOptions& o, std::int64_t steps_per_epoch) {
  nn::ScheduleConfig schedule;
  schedule.kind = o.lr_schedule == "cosine" ? nn::ScheduleKind::kCosine : nn::ScheduleKind::kStep;
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

class Trainer {
 public:
  Trainer(const TrainOptions& options, DeviceKind device, const OptionTable::Json& config,
          const std::optional<CheckpointFacts>& resume, Communicator& communicator)
      : o_(options),
        config_(config),
        run_(options.pth_save_fold),
        threads_(compute_threads(options)),
        eval_sets_(read_eval_sets(options)),
        set_(scan(options)),
        head_(head_options(options, threads_), set_.num_classes(), options.embed_dims),
        engine_(make_engine(options, device, threads_, head_, communicator)),
        network_(engine_->network()),
        loader_(set_, loader_options(options, engine_->takes_pixels())),
        schedule_(schedule_config(options, loader_.batches_per_epoch())) {
    omp_set_num_threads(threads_);
    check_batches();
    if (resume) {
      restore(*resume);
    } else {
      begin();
    }
    engine_->upload(head_);
  }

  TrainResult run();

 private:
  void check_batches() const;
  void begin();
  void restore(const CheckpointFacts& facts);
  void load_initial_weights();
  void announce();
  std::int64_t total_steps() const;
  std::int64_t started_steps() const { return state_.global_step + engine_->pending(); }
  bool finished() const { return o_.max_steps > 0 && started_steps() >= o_.max_steps; }
  bool run_epoch(RunLog& log);  // false: stopped before its end
  void step(const data::Batch& batch, RunLog& log, double wait_seconds);
  void drain(RunLog& log);
  void record(const FinishedStep& step, RunLog& log);
  [[noreturn]] void stop_not_finite(const NotFinite& error);
  void count(const FinishedStep& step);
  void end_epoch(RunLog& log, std::int64_t epoch, double seconds);
  bool evaluate(RunLog& log, std::int64_t epoch);  // true: a new best
  bool improved(double value, const std::string& criterion, bool higher_is_better);
  void save();
  void finish();

  const TrainOptions& o_;
  const OptionTable::Json& config_;
  fs::path run_;
  int threads_;
  std::vector<EvalSet> eval_sets_;
  data::ImageFolder set_;
  Head head_;
  std::unique_ptr<StepEngine> engine_;
  nn::Network& network_;
  data::Loader loader_;
  nn::ScheduleConfig schedule_;
  RunState state_;
  fs::path last_checkpoint_;
};

void Trainer::check_batches() const {
  const std::int64_t size = set_.size(), batch = o_.batch_size;
  require(loader_.batches_per_epoch() > 0,
          "--drop-last leaves no batch: {} pictures are fewer than --batch-size {}; use a smaller batch",
          size, batch);
  require(o_.drop_last || size % batch != 1,
          "the last batch of an epoch would hold one picture ({} pictures, --batch-size {}), for which batch "
          "norm is undefined: "
          "use --drop-last or another --batch-size",
          size, batch);
  if (batch > size)
    log::warn("--batch-size {} is larger than the set: every epoch is one batch of {} pictures", batch, size);
}

void Trainer::begin() {
  network_.parameters().initialise(o_.seed);
  head_.initialise(o_.seed);
  if (!o_.weight_path.empty()) load_initial_weights();
  state_.epoch = o_.start_epoch;
  state_.classes = set_.num_classes();
  state_.pictures = set_.size();
  state_.threads = threads_;
}

void Trainer::load_initial_weights() {
  require(fs::exists(o_.weight_path), "--weight_path {}: no such file", o_.weight_path);
  require(!o_.weight_path.ends_with(".pth") && !o_.weight_path.ends_with(".pt"),
          "--weight_path {}: PyTorch's own files are not read by this version; save the state dict as "
          "safetensors",
          o_.weight_path);
  const SafeTensorsFile file(o_.weight_path);
  model::read_backbone(file, o_.weight_path, network_.parameters());
  const bool with_head = file.find("head.weight") != nullptr;
  if (with_head) {
    model::read_class_weights(file, o_.weight_path, "head.weight", head_.classes(), head_.width(),
                              head_.weights());
  }
  for (const HeadState& state : head_states(head_)) {
    const SafeTensorView* tensor = file.find(state.name);
    if (tensor == nullptr || tensor->elements() != static_cast<std::int64_t>(state.values.size())) continue;
    const std::vector<float> values = tensor->to_float();
    std::copy(values.begin(), values.end(), state.values.begin());
  }
  for (const std::string& name : model::unexpected_tensors(file, network_.parameters())) {
    log::warn("{}: tensor {} is not part of {} and was left out", o_.weight_path, name, o_.arch);
  }
  log::info("initial weights: {} ({})", o_.weight_path,
            with_head ? "with head.weight" : "class weights start new");
}

void Trainer::restore(const CheckpointFacts& facts) {
  state_ = facts.state;
  require(state_.classes == set_.num_classes() && state_.pictures == set_.size(),
          "{}: was trained on {} pictures of {} identities, --data_dirs {} holds {} of {}; resume needs the "
          "same set",
          facts.path.string(), state_.pictures, state_.classes, o_.data_dirs, set_.size(),
          set_.num_classes());
  if (state_.threads != threads_) {
    log::warn(
        "resuming with {} compute threads, the run began with {}: results stay right but may differ in the "
        "last bits; "
        "--threads {} repeats them exactly",
        threads_, state_.threads, state_.threads);
  }
  load_checkpoint(facts.path, network_, head_);
  engine_->set_loss_scale(
      {static_cast<float>(state_.loss_scale), static_cast<std::uint32_t>(state_.loss_scale_steps)});
  last_checkpoint_ = facts.path;
  log::info("resuming from {}: epoch {}, batch {}, step {}", facts.path.string(), state_.epoch + 1,
            state_.batch, state_.global_step);
}

std::int64_t Trainer::total_steps() const {
  const std::int64_t left =
      (o_.epochs - state_.epoch) * loader_.batches_per_epoch() - state_.batch + state_.global_step;
  return o_.max_steps > 0 ? std::min(left, o_.max_steps) : left;
}

void Trainer::announce() {
  const std::int64_t largest = std::min(o_.batch_size, set_.size());
  const nn::MemoryPlan& plan = network_.plan(static_cast<int>(largest), nn::Mode::kTrain);
  log::info("run folder:  {}", run_.string());
  log::info(
      "data:        {} pictures of {} identities, {} batches of {} an epoch, augmentation {}, {} workers",
      set_.size(), set_.num_classes(), loader_.batches_per_epoch(), o_.batch_size, o_.augment, o_.workers);
  log::info("backbone:    {} with {:.2f} M parameters, embedding width {}, dropout {}", o_.arch,
            static_cast<double>(network_.parameters().weight_count()) / 1e6, o_.embed_dims, o_.dropout);
  const qcf_head_config head = make_head_config(head_options(o_, 1));
  log::info("head:        {}, phase {}, lambda {}, s {}, m {}, rule {}", o_.loss_model, o_.phase, o_.lambda_g,
            head.s, head.m, qcf_rule_name(head.rule));
  if (o_.phase == "norm" && qcf_head_has_magnitude_loss(head.kind) == 0) {
    log::warn("--phase norm: {} has no loss on magnitudes; it trains as in phase id", o_.loss_model);
  } else if (o_.phase == "id" && head.kind == QCF_HEAD_MAGFACE) {
    log::warn("magface without its loss on magnitudes: give --phase norm for the published method");
  }
  log::info("optimiser:   SGD lr {} ({}), momentum {}, weight decay {}", o_.lr, o_.lr_schedule, o_.momentum,
            o_.weight_decay);
  log::info("device:      {}", engine_->description());
  log::info("memory plan: activations peak {:.1f} MiB at batch {} ({:.1f} MiB without reuse)",
            static_cast<double>(plan.peak_bytes) / (1 << 20), largest,
            static_cast<double>(plan.total_bytes) / (1 << 20));
}

TrainResult Trainer::run() {
  announce();
  TrainResult result;
  {
    RunLog log(run_, state_.global_step, total_steps(), o_.vis_mag == 1,
               o_.phase == "norm" ? o_.lambda_g : 0);
    while (state_.epoch < o_.epochs && !finished()) {
      if (!run_epoch(log)) break;
    }
  }
  result.interrupted = interrupted();
  if (last_checkpoint_ != checkpoint_path(run_, state_.global_step)) save();
  if (result.interrupted) {
    log::info("stopped by {} after step {}; go on with: qcface train --resume {}", interrupt_name(),
              state_.global_step, run_.string());
  } else {
    finish();
  }
  result.global_step = state_.global_step;
  result.checkpoint = last_checkpoint_;
  return result;
}

bool Trainer::run_epoch(RunLog& log) {
  const Clock::time_point start = Clock::now();
  const std::int64_t epoch = state_.epoch;
  loader_.start_epoch(epoch, state_.batch);
  double waited = loader_.stats().wait_seconds;
  while (const data::Batch* batch = loader_.next()) {
    step(*batch, log, loader_.stats().wait_seconds - waited);
    waited = loader_.stats().wait_seconds;
    if (batch->index + 1 == loader_.batches_per_epoch()) continue;
    if (interrupted() || finished()) {
      drain(log);
      return false;
    }
    if (o_.save_steps > 0 && started_steps() % o_.save_steps == 0) {
      drain(log);
      save();
    }
  }
  drain(log);
  end_epoch(log, epoch, std::chrono::duration<double>(Clock::now() - start).count());
  return !interrupted();
}

void Trainer::step(const data::Batch& batch, RunLog& log, double wait_seconds) {
  const StepOrder order{batch.epoch, batch.index, batch.size,
                        nn::learning_rate(schedule_, static_cast<int>(batch.epoch), batch.index),
                        wait_seconds};
  try {
    if (const auto done = engine_->step(batch, order)) record(*done, log);
  } catch (const NotFinite& error) {
    stop_not_finite(error);
  }
}

void Trainer::drain(RunLog& log) {
  try {
    while (const auto done = engine_->finish()) record(*done, log);
  } catch (const NotFinite& error) {
    stop_not_finite(error);
  }
}

void Trainer::record(const FinishedStep& step, RunLog& log) {
  count(step);
  const StepOrder& order = step.order;
  const bool run_ends = state_.global_step == o_.max_steps ||
                        (state_.epoch + 1 == o_.epochs && state_.batch == loader_.batches_per_epoch());
  log.step(
      {order.epoch, order.batch, state_.global_step, order.size, order.lr, order.wait_seconds, &step.head},
      order.batch % o_.print_freq == 0 || run_ends);
}

void Trainer::stop_not_finite(const NotFinite& error) {
  fail(
      "NaN or infinity in {} at step {} (epoch {}, batch {}): {}. Nothing was saved after it; last good "
      "checkpoint: {}. A lower "
      "--lr, --warmup-steps or a smaller --lambda_g usually helps",
      error.found, state_.global_step + 1, error.order.epoch + 1, error.order.batch,
      error.where.empty() ? "the backbone itself is finite, so it arose in the head" : error.where,
      last_checkpoint_.empty() ? "none yet" : last_checkpoint_.string());
}

void Trainer::count(const FinishedStep& step) {
  const HeadStep& head = step.head;
  EpochSums& sums = state_.sums;
  const auto [z_min, z_max] = std::minmax_element(head.lengths.begin(), head.lengths.end());
  sums.z_min = sums.pictures == 0 ? *z_min : std::min<double>(sums.z_min, *z_min);
  sums.z_max = std::max<double>(sums.z_max, *z_max);
  for (const float z : head.lengths) sums.z_sum += z;
  const auto n = static_cast<double>(step.order.size);
  sums.pictures += step.order.size;
  sums.loss += head.loss * n;
  sums.loss_id += head.loss_id * n;
  sums.loss_g += head.loss_g * n;
  sums.top1 += head.top1;
  sums.top5 += head.top5;
  state_.batch = step.order.batch + 1;
  ++state_.global_step;
}

void Trainer::end_epoch(RunLog& log, std::int64_t epoch, double seconds) {
  log.epoch(state_, epoch, seconds);
  const bool last = epoch + 1 == o_.epochs || finished();
  const double loss = state_.sums.loss / static_cast<double>(std::max<std::int64_t>(state_.sums.pictures, 1));
  bool best = false;
  if (eval_sets_.empty()) {
    best = improved(loss, "epoch loss", false);
  } else if ((epoch + 1) % o_.eval_epoch == 0 || last) {
    best = evaluate(log, epoch);
  }
  state_.epoch = epoch + 1;
  state_.batch = 0;
  state_.sums = {};
  if (best || last || epoch % o_.pth_save_epoch == 0) save();
  if (best) mark_best(run_, last_checkpoint_);
}

bool Trainer::improved(double value, const std::string& criterion, bool higher_is_better) {
  state_.criterion = criterion;
  if (state_.best && (higher_is_better ? value <= *state_.best : value >= *state_.best)) return false;
  state_.best = value;
  return true;
}

bool Trainer::evaluate(RunLog& log, std::int64_t epoch) {
  double sum = 0;
  for (const EvalSet& set : eval_sets_) {
    log.pause();
    eval::VerifyResult result;
    try {
      result = verify_set(network_, set, o_);
    } catch (const Error& error) {
      // A network that has collapsed gives equal scores, which have no ROC. Training may still recover.
      qcface::log::warn("{} could not be verified after epoch {}: {}", set.name, epoch + 1, error.what());
      return false;
    }
    const double accuracy = result.cosine.kfold.accuracy_mean;
    sum += accuracy;
    qcface::log::info("verified {} after epoch {}: accuracy {:.2f}% (10-fold), AUC {:.4f}, {} pairs",
                      set.name, epoch + 1, 100 * accuracy, result.cosine.auc, result.same + result.different);
    log.evaluation(epoch, state_.global_step, set.name,
                   {{"accuracy", accuracy},
                    {"accuracy_std", result.cosine.kfold.accuracy_std},
                    {"auc", result.cosine.auc},
                    {"accuracy_insightface", result.insightface.accuracy_mean},
                    {"z_mean", result.magnitude_mean}});
  }
  return improved(sum / static_cast<double>(eval_sets_.size()), "verification accuracy", true);
}

void Trainer::save() {
  const fs::path path = checkpoint_path(run_, state_.global_step);
  engine_->download(head_);
  const LossScaleState scale = engine_->loss_scale();
  state_.loss_scale = static_cast<double>(scale.scale);
  state_.loss_scale_steps = scale.good_steps;
  save_checkpoint(path, network_, head_, o_.arch, config_, state_);
  last_checkpoint_ = path;
  prune_checkpoints(path.parent_path(), o_.keep_last);
}

void Trainer::finish() {
  try {
    write_final_evaluation(network_, eval_sets_, o_, run_, last_checkpoint_.string(), engine_->device());
  } catch (const Error& error) {
    log::warn("the final evaluation failed: {}; the checkpoints are good, see `qcface eval`", error.what());
  }
  report::write_plots(run_);
  log::info("finished after {} steps, peak memory {:.0f} MiB, {} corrupt pictures", state_.global_step,
            peak_resident_mib(), loader_.corrupt().size());
  log::info("checkpoints: {}", (run_ / "checkpoints").string());
  if (o_.no_report) return;
  report::ReportOptions report;
  report.run = run_;
  log::info("report:      {}", report::run_report(report).file.string());
}

}  // namespace

TrainResult run_training(const TrainOptions& options, const OptionTable::Json& config,
                         const std::optional<CheckpointFacts>& resume, Communicator& communicator) {
  const DeviceKind device = choose_device(options);
  prepare_run_folder(options.pth_save_fold, resume.has_value());
  Trainer trainer(options, device, config, resume, communicator);
  const fs::path run(options.pth_save_fold);
  log_to_file(run / "log.txt");
  write_file_atomically(run / "config.json", config.dump(2) + "\n");
  return trainer.run();
}

}  // namespace qcface::train
