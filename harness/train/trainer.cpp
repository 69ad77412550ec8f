#include "harness/train/trainer.h"

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/log.h"
#include "harness/console/interrupt.h"
#include "harness/console/logging.h"
#include "harness/console/memory.h"
#include "harness/data/loader.h"
#include "harness/model/device_choice.h"
#include "harness/report/report.h"
#include "harness/train/checkpoint_files.h"
#include "harness/train/class_list.h"
#include "harness/train/engine.h"
#include "harness/train/evaluation.h"
#include "harness/train/initial_weights.h"
#include "harness/train/run_log.h"
#include "harness/train/trainer_parts.h"
#include "harness/train/training_set.h"

namespace qcface::train {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// Where nothing is to be saved: a batch of a large network takes longer on a CPU than a scheduler may wait.
constexpr int kStopSeconds = 2;

class Trainer {
 public:
  Trainer(const TrainOptions& options, const nn::DeviceChoice& device, const OptionTable::Json& config,
          const std::optional<CheckpointFacts>& resume, Communicator& communicator)
      : o_(options),
        config_(config),
        run_(options.pth_save_fold),
        threads_(compute_threads(options)),
        eval_sets_(read_eval_sets(options)),
        pictures_(scan_training_set(options)),
        set_(*pictures_),
        engine_(make_engine(options, device, threads_, set_.num_classes(), set_.size(), communicator)),
        network_(engine_.network()),
        loader_(set_, loader_options(options)),
        schedule_(schedule_config(options, loader_.batches_per_epoch())) {
    omp_set_num_threads(threads_);
    check_batches(o_, set_.size(), loader_.batches_per_epoch());
    state_.classes = set_.num_classes();
    state_.pictures = set_.size();
    state_.class_list = class_list_hash(set_.class_names());
    state_.picture_list = picture_list_hash(set_);
    state_.threads = threads_;
    if (resume) {
      restore(*resume);
    } else {
      begin();
    }
  }

  TrainResult run();

 private:
  void begin();
  void restore(const CheckpointFacts& facts);
  void take_over_folder();
  std::int64_t total_steps() const;
  std::int64_t started_steps() const { return state_.global_step + engine_.pending(); }
  bool finished() const { return o_.max_steps > 0 && started_steps() >= o_.max_steps; }
  void train(RunLog& log);
  bool run_epoch(RunLog& log);  // false: stopped before its end
  void step(const data::Batch& batch, RunLog& log, double wait_seconds);
  void drain(RunLog& log);
  void record(const FinishedStep& step, RunLog& log);
  [[noreturn]] void stop_not_finite(const NotFinite& error);
  void count(const FinishedStep& step);
  void end_epoch(RunLog& log, std::int64_t epoch, double seconds);
  void verify(RunLog& log);
  std::optional<double> evaluate(RunLog& log);  // mean accuracy; empty: a set could not be verified
  bool improved(double value, const std::string& criterion, bool higher_is_better);
  void save();
  void save_what_is_there();
  bool finish();  // false: an evaluation failed

  const TrainOptions& o_;
  const OptionTable::Json& config_;
  fs::path run_;
  int threads_;
  std::vector<EvalSet> eval_sets_;
  std::unique_ptr<data::PictureSource> pictures_;
  const data::PictureSource& set_;
  Engine engine_;
  nn::Network& network_;
  data::Loader loader_;
  nn::ScheduleConfig schedule_;
  RunState state_;
  fs::path last_checkpoint_;
  bool weights_good_ = true;  // false: an error came out of the middle of a step
};

void Trainer::begin() {
  network_.parameters().initialise(o_.seed);
  engine_.head().initialise(o_.seed);
  if (!o_.weight_path.empty()) load_initial_weights(o_, state_.class_list, network_, engine_.head());
  state_.epoch = o_.start_epoch;
}

void Trainer::restore(const CheckpointFacts& facts) {
  require_same_identities(facts, state_, set_, o_);
  const RunState now = std::exchange(state_, facts.state);
  state_.pictures = now.pictures;
  state_.class_list = now.class_list;
  state_.picture_list = now.picture_list;
  // An epoch of fewer pictures than before may be over already.
  if (now.pictures != facts.state.pictures)
    state_.batch = std::min(state_.batch, loader_.batches_per_epoch());
  if (state_.threads != threads_) {
    log::warn(
        "resuming with {} compute threads, the run began with {}: results stay right but may differ in the "
        "last bits; "
        "--threads {} repeats them exactly",
        threads_, state_.threads, state_.threads);
  }
  load_checkpoint(facts.path, network_, engine_.head());
  engine_.set_loss_scale(
      {static_cast<float>(state_.loss_scale), static_cast<std::uint32_t>(state_.loss_scale_steps)});
  last_checkpoint_ = facts.path;
  log::info("resuming from {}: epoch {}, batch {}, step {}", facts.path.string(), state_.epoch + 1,
            state_.batch, state_.global_step);
}

// The first change of the run folder, when everything that could refuse the run has been tried.
void Trainer::take_over_folder() {
  write_class_list(run_, set_.class_names());
  if (last_checkpoint_.empty()) return;
  std::error_code error;
  if (is_of_run(last_checkpoint_, run_)) {
    last_checkpoint_ = go_back_to(run_, last_checkpoint_, state_.global_step);
    // A kill between saving a new best and naming it.
    if (state_.best_step == state_.global_step) mark_best(run_, last_checkpoint_);
  }
  // A best value whose weights this folder does not hold is none.
  if (!fs::exists(best_path(run_), error)) state_.best.reset();
}

std::int64_t Trainer::total_steps() const {
  const std::int64_t left =
      (o_.epochs - state_.epoch) * loader_.batches_per_epoch() - state_.batch + state_.global_step;
  return o_.max_steps > 0 ? std::min(left, o_.max_steps) : left;
}

TrainResult Trainer::run() {
  take_over_folder();
  announce(o_, set_, loader_.batches_per_epoch(), engine_);
  TrainResult result;
  try {
    RunLog log(run_, state_.global_step, total_steps(), o_.vis_mag == 1,
               o_.phase == QCF_PHASE_NORM ? o_.lambda_g : 0);
    train(log);
  } catch (const Interrupted&) {  // out of a verification; what it verified is saved
  } catch (const std::exception&) {
    save_what_is_there();
    throw;
  }
  if (last_checkpoint_ != checkpoint_path(run_, state_.global_step)) save();
  result.interrupted = interrupted();
  if (!result.interrupted) {
    try {
      result.evaluation_failed = !finish();
    } catch (const Interrupted&) {
      result.interrupted = true;
    }
  }
  if (result.interrupted) {
    log::info("stopped by {} after step {}; go on with: qcface train --resume {}", interrupt_name(),
              state_.global_step, run_.string());
  }
  result.global_step = state_.global_step;
  result.checkpoint = last_checkpoint_;
  return result;
}

void Trainer::train(RunLog& log) {
  if (state_.unverified) verify(log);
  while (state_.epoch < o_.epochs && !finished()) {
    if (!run_epoch(log)) return;
  }
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
  const StepOrder order{batch.epoch, batch.index, batch.global_size,
                        nn::learning_rate(schedule_, static_cast<int>(batch.epoch), batch.index),
                        wait_seconds};
  weights_good_ = false;
  std::optional<FinishedStep> done;
  try {
    done = engine_.step(batch, order);
  } catch (const NotFinite& error) {
    stop_not_finite(error);
  }
  weights_good_ = true;
  if (done) record(*done, log);
}

void Trainer::drain(RunLog& log) {
  try {
    while (const auto done = engine_.finish()) record(*done, log);
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
  weights_good_ = false;
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
  const bool best = eval_sets_.empty() && improved(loss, "epoch loss", false);
  state_.epoch = epoch + 1;
  state_.batch = 0;
  state_.sums = {};
  state_.unverified = !eval_sets_.empty() && ((epoch + 1) % o_.eval_epoch == 0 || last);
  // Before the verification, which takes long: a stop inside it must not cost the epoch.
  if (best || state_.unverified || last || epoch % o_.pth_save_epoch == 0) save();
  if (best) mark_best(run_, last_checkpoint_);
  if (state_.unverified && !interrupted()) verify(log);
}

// Verifies the epoch that was just saved and saves it again with what was found. Until then a resumed run does it anew.
void Trainer::verify(RunLog& log) {
  std::optional<double> accuracy;
  {
    const StopLimit limit(kStopSeconds);
    accuracy = evaluate(log);
  }
  state_.unverified = false;
  if (!accuracy) return;
  std::string sets;
  for (const EvalSet& set : eval_sets_) sets += (sets.empty() ? " of " : ", ") + set.name;
  const bool best = improved(*accuracy, "verification accuracy" + sets, true);
  save();
  if (best) mark_best(run_, last_checkpoint_);
}

bool Trainer::improved(double value, const std::string& criterion, bool higher_is_better) {
  constexpr const char* kOfOlderVersions = "verification accuracy";  // of whatever sets
  const bool same = state_.criterion == criterion ||
                    (state_.criterion == kOfOlderVersions && criterion.starts_with(kOfOlderVersions));
  if (state_.best && !same) {
    log::info("the best checkpoint is looked for anew: so far it was best by {}, from here on by {}",
              state_.criterion, criterion);
    state_.best.reset();
  }
  state_.criterion = criterion;
  if (state_.best && (higher_is_better ? value <= *state_.best : value >= *state_.best)) return false;
  state_.best = value;
  state_.best_step = state_.global_step;
  return true;
}

std::optional<double> Trainer::evaluate(RunLog& log) {
  const std::int64_t epoch = state_.epoch - 1;
  double sum = 0;
  for (EvalSet& set : eval_sets_) {
    log.pause();
    try {
      verify_set(network_, set, o_, state_.global_step);
    } catch (const Error& error) {
      // A network that has collapsed gives equal scores, which have no ROC. Training may still recover; a set that is
      // gone fails the final evaluation, and with it the exit status.
      qcface::log::warn("{} could not be verified after epoch {}: {}; training goes on", set.name, epoch + 1,
                        error.what());
      return std::nullopt;
    }
    sum += set.found->figures.at("accuracy").get<double>();
    qcface::log::info("verified {} after epoch {}: {}", set.name, epoch + 1, set.found->headline);
    log.evaluation(epoch, state_.global_step, set.name, set.found->figures);
  }
  if (eval_sets_.empty()) return std::nullopt;  // resumed without them
  return sum / static_cast<double>(eval_sets_.size());
}

void Trainer::save() {
  const fs::path path = checkpoint_path(run_, state_.global_step);
  const LossScaleState scale = engine_.loss_scale();
  state_.loss_scale = static_cast<double>(scale.scale);
  state_.loss_scale_steps = scale.good_steps;
  save_checkpoint(path, network_, engine_.head(), o_.arch, config_, state_);
  last_checkpoint_ = path;
  prune_checkpoints(path, o_.keep_last);
}

// On the way out with an error that is no fault of the weights (pictures gone, a log that cannot be written): the steps
// since the last checkpoint are kept.
void Trainer::save_what_is_there() {
  if (!weights_good_) return;
  try {
    while (const auto done = engine_.finish()) count(*done);
    if (state_.global_step == 0) return;  // a folder without checkpoints can be begun anew
    if (last_checkpoint_ != checkpoint_path(run_, state_.global_step)) save();
    log::warn(
        "stopped by an error after step {}, which is saved; when it is mended go on with: qcface train "
        "--resume {}",
        state_.global_step, run_.string());
  } catch (const std::exception& error) {
    log::warn("the steps since the last checkpoint could not be saved: {}", error.what());
  }
}

bool Trainer::finish() {
  const StopLimit limit(kStopSeconds);
  const bool good = write_final_evaluation(network_, eval_sets_, o_, run_, last_checkpoint_.string(),
                                           engine_.backend().device(), state_.global_step);
  report::write_plots(run_);
  log::info("finished after {} steps, peak memory {:.0f} MiB, {} corrupt pictures", state_.global_step,
            peak_resident_mib(), loader_.corrupt().size());
  log::info("checkpoints: {}", (run_ / "checkpoints").string());
  if (o_.no_report) return good;
  report::ReportOptions report;
  report.run = run_;
  log::info("report:      {}", report::run_report(report).file.string());
  return good;
}

}  // namespace

TrainResult run_training(const TrainOptions& options, const OptionTable::Json& config,
                         const std::optional<CheckpointFacts>& resume, Communicator& communicator) {
  const nn::DeviceChoice device = model::choose_device(options.device, options.gpu_id, options.precision);
  const fs::path run(options.pth_save_fold);
  log_to_file(run / "log.txt");
  limit_stop_time(kStopSeconds);
  Trainer trainer(options, device, config, resume, communicator);
  limit_stop_time(0);
  write_file_atomically(run / "config.json", config.dump(2) + "\n");
  return trainer.run();
}

}  // namespace qcface::train
