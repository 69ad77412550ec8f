#include "harness/train/trainer.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/log.h"
#include "harness/console/interrupt.h"
#include "harness/console/logging.h"
#include "harness/console/memory.h"
#include "harness/model/device_choice.h"
#include "harness/report/report.h"
#include "harness/train/mean_statistics.h"
#include "harness/train/run.h"
#include "harness/train/run_log.h"
#include "nn/device_communicator.h"

namespace qcface::train {
namespace {

using Clock = std::chrono::steady_clock;

// Epochs and steps, save points, verifications and stops.
class Loop {
 public:
  Loop(Run& run, RunLog& log) : run_(run), o_(run.options), state_(run.state), log_(log) {}

  // To the end, to --max-steps or to a signal. Steps since the last save point are the caller's to save.
  void train() {
    if (state_.unverified) verify();
    while (state_.epoch < o_.epochs && !finished()) {
      if (!run_epoch()) return;
    }
  }

 private:
  bool run_epoch();  // false: stopped before its end
  void step(const data::Batch& batch, double wait_seconds);
  void drain();
  void record(const FinishedStep& step);
  void end_epoch(double seconds);
  void verify();
  bool evaluate();  // false: a set could not be verified, or there is none
  [[noreturn]] void stop_not_finite(const NotFinite& error);
  void warn_of_divergence(const FinishedStep& step);

  std::int64_t started_steps() const { return state_.global_step + run_.engine.pending(); }
  /// Whether any rank was asked to stop; the same answer on all of them, which call it together. It stays.
  bool stop_asked() { return stopped_ = stopped_ || run_.stop_asked(); }
  bool finished() const { return o_.max_steps > 0 && started_steps() >= o_.max_steps; }

  Run& run_;
  const TrainOptions& o_;
  RunState& state_;
  RunLog& log_;
  bool warned_ = false, stopped_ = false;
};

bool Loop::run_epoch() {
  const Clock::time_point start = Clock::now();
  data::Loader& loader = run_.loader;
  loader.start_epoch(state_.epoch, state_.batch);
  double waited = loader.stats().wait_seconds;
  while (const data::Batch* batch = loader.next()) {
    step(*batch, loader.stats().wait_seconds - waited);
    waited = loader.stats().wait_seconds;
    if (batch->index + 1 == loader.batches_per_epoch()) continue;
    if (stop_asked() || finished()) {
      drain();
      return false;
    }
    if (o_.save_steps > 0 && started_steps() % o_.save_steps == 0) {
      drain();
      run_.save();
    }
  }
  drain();
  end_epoch(std::chrono::duration<double>(Clock::now() - start).count());
  return !stopped_;
}

void Loop::step(const data::Batch& batch, double wait_seconds) {
  const double lr = nn::learning_rate(run_.schedule, static_cast<int>(batch.epoch), batch.index);
  run_.weights_good = false;
  std::optional<FinishedStep> done;
  try {
    done = run_.engine.step(batch, {batch.epoch, batch.index, batch.global_size, lr, wait_seconds});
  } catch (const NotFinite& error) {
    stop_not_finite(error);
  }
  run_.weights_good = true;
  if (done) record(*done);
}

void Loop::drain() {
  try {
    while (const auto done = run_.engine.finish()) record(*done);
  } catch (const NotFinite& error) {
    stop_not_finite(error);
  }
}

void Loop::record(const FinishedStep& step) {
  state_.count(step);
  const bool run_ends = state_.global_step == o_.max_steps ||
                        (state_.epoch + 1 == o_.epochs && state_.batch == run_.loader.batches_per_epoch());
  log_.step(step, state_.global_step, step.order.batch % o_.print_freq == 0 || run_ends);
  run_.trend.add(step);
  warn_of_divergence(step);
}

void Loop::end_epoch(double seconds) {
  log_.epoch(state_, seconds);
  const bool verifies = !run_.eval_sets.empty();
  const bool last = state_.epoch + 1 == o_.epochs || finished();
  const double loss = state_.sums.loss / static_cast<double>(std::max<std::int64_t>(state_.sums.pictures, 1));
  const bool best = !verifies && state_.improve(loss, "epoch loss", false);
  const bool keep = state_.epoch % o_.pth_save_epoch == 0;
  state_.end_epoch();
  state_.unverified = verifies && (state_.epoch % o_.eval_epoch == 0 || last);
  // Before the verification, which takes long: a stop inside it must not cost the epoch.
  if (best || state_.unverified || last || keep) run_.save();
  if (best) run_.mark_best();
  if (stop_asked()) return;
  if (state_.unverified) verify();
}

// Verifies the epoch that was just saved and saves it again with what was found. Until then a resumed run does it anew.
void Loop::verify() {
  bool verified = false;
  {
    const StopLimit limit(kStopSeconds);
    verified = evaluate();
  }
  state_.unverified = false;
  if (!verified) return;
  const BestBy by = best_by_from_text(o_.best_by, run_.eval_sets);
  std::string sets;
  for (const EvalSet& set : run_.eval_sets) {
    if (by.set.empty() || by.set == set.name) sets += (sets.empty() ? " of " : ", ") + set.name;
  }
  const std::string figure = by.figure == "accuracy" ? "verification accuracy" : by.figure;
  const std::optional<double> value = best_figure(by, run_.eval_sets);
  const bool best = value && state_.improve(*value, figure + sets, !by.smallest);
  run_.save();
  if (best) run_.mark_best();
}

bool Loop::evaluate() {
  const MeanStatistics mean(run_.network.parameters(), run_.communicator);
  const std::int64_t epoch = state_.epoch - 1;
  for (EvalSet& set : run_.eval_sets) {
    log_.pause();
    try {
      verify_set(run_.network, set, o_, state_.global_step, run_.communicator);
    } catch (const Error& error) {
      // A network that has collapsed gives equal scores, which have no ROC. Training may still recover; a set that is
      // gone fails the final evaluation, and with it the exit status.
      log::warn("{} could not be verified after epoch {}: {}; training goes on", set.name, epoch + 1,
                error.what());
      return false;
    }
    log::info("verified {} after epoch {}: {}", set.name, epoch + 1, set.found->headline);
    log_.evaluation(epoch, state_.global_step, set.name, set.found->figures);
  }
  return !run_.eval_sets.empty();  // resumed without them
}

void Loop::stop_not_finite(const NotFinite& error) {
  run_.weights_good = false;
  const std::string where =
      error.where.empty() ? "the backbone itself is finite, so it arose in the head" : error.where;
  // The search looks at the weights first, so nothing else is known of a step that finds them so.
  if (run_.trend.steps == 0 && !o_.weight_path.empty() && where.starts_with("parameter '"))
    fail("NaN or infinity in {} at step {}: {}, as --weight_path {} has it; take another file", error.found,
         state_.global_step + 1, where, o_.weight_path);
  fail("NaN or infinity in {} at step {} (epoch {}, batch {}): {}. Nothing was saved after it. {}",
       error.found, state_.global_step + 1, error.order.epoch + 1, error.order.batch, where,
       run_.advice(state_.global_step + 1, error.order.lr));
}

// Once: the run may still recover, and somebody may want to see it.
void Loop::warn_of_divergence(const FinishedStep& step) {
  if (warned_ || !lengths_explode(o_, run_.trend)) return;
  warned_ = true;
  log_.pause();
  log::warn(
      "training diverges: the mean magnitude is {:.3g} at step {} and was {:.3g} at the first; the guidance "
      "aims at 1 to "
      "100. {}",
      run_.trend.mean_length, state_.global_step, run_.trend.first_mean_length,
      run_.advice(state_.global_step, step.order.lr));
}

// Results, plots and report; false: an evaluation failed.
bool finish(Run& run) {
  const StopLimit limit(kStopSeconds);
  const MeanStatistics mean(run.network.parameters(), run.communicator);
  const bool good = write_final_evaluation(run.network, run.eval_sets, run.options, run.folder,
                                           run.last_checkpoint.string(), run.engine.backend().device(),
                                           run.state.global_step, run.communicator);
  if (!run.leads()) return good;
  report::write_plots(run.folder);
  log::info("finished after {} steps, peak memory {:.0f} MiB, {} corrupt pictures", run.state.global_step,
            peak_resident_mib(), run.loader.corrupt().size());
  log::info("checkpoints: {}", (run.folder / "checkpoints").string());
  if (run.options.no_report) return good;
  report::ReportOptions report;
  report.run = run.folder;
  log::info("report:      {}", report::run_report(report).file.string());
  return good;
}

void train_and_save(Run& run) {
  try {
    const TrainOptions& o = run.options;
    RunLog log(run.folder, run.state.global_step, run.total_steps(), o.vis_mag == 1,
               o.phase == QCF_PHASE_NORM ? o.lambda_g : 0, run.communicator);
    Loop(run, log).train();
  } catch (const Interrupted&) {             // out of a verification; what it verified is saved
    if (run.communicator.size() > 1) throw;  // the others are still in it
  } catch (const NotFiniteTensor&) {
    throw;
  } catch (const std::exception&) {
    run.save_what_is_there();
    throw;
  }
  if (!run.saved()) run.save();
}

TrainResult train(Run& run) {
  try {
    train_and_save(run);
  } catch (const NotFiniteTensor& error) {
    fail("{}. {}", error.what(), run.advice(run.state.global_step, run.trend.lr));
  }
  TrainResult result;
  result.interrupted = run.stop_asked();
  if (!result.interrupted) {
    try {
      result.evaluation_failed = !finish(run);
    } catch (const Interrupted&) {
      if (run.communicator.size() > 1) throw;
      result.interrupted = true;
    }
  }
  if (result.interrupted) {
    log::info("stopped by {} after step {}; go on with: qcface train --resume {}", interrupt_name(),
              run.state.global_step, run.folder.string());
  }
  return result;
}

}  // namespace

TrainResult run_training(const TrainOptions& options, const OptionTable::Json& config,
                         const std::optional<CheckpointFacts>& resume, Communicator& communicator) {
  const nn::DeviceChoice device = model::choose_device(
      options.device, model::gpu_of_rank(options.gpu_id, communicator), options.precision);
  const std::filesystem::path folder(options.pth_save_fold);
  if (leads(communicator)) log_to_file(folder / "log.txt");
  // Arrays on GPUs go from one to the other, those of the host as before.
  std::unique_ptr<nn::DeviceCommunicator> between_devices;
  if (device.kind == nn::DeviceKind::kCuda && communicator.size() > 1) {
    nn::NcclOptions nccl;
    nccl.device = device.index;
    nccl.timeout_s = options.timeout;
    between_devices = nn::make_device_communicator(communicator, nccl);
  }
  Communicator& ranks = between_devices ? *between_devices : communicator;
  limit_stop_time(kStopSeconds);
  auto same_data = std::make_unique<OneRankWarns>();
  Run run(options, device, config, resume, ranks);
  same_data.reset();
  limit_stop_time(0);
  if (run.leads()) write_file_atomically(folder / "config.json", config.dump(2) + "\n");
  run.take_over_folder();
  return train(run);
}

}  // namespace qcface::train
