#include "harness/train/run_log.h"

#include <algorithm>
#include <numeric>

#include "core/comm/agreement.h"
#include "core/log.h"
#include "core/text.h"
#include "harness/console/memory.h"

namespace qcface::train {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double mean_of(std::span<const float> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) /
         static_cast<double>(std::max<std::size_t>(values.size(), 1));
}

}  // namespace

RunLog::RunLog(const std::filesystem::path& run, std::int64_t global_step, std::int64_t total_steps,
               bool histograms, double lambda_g, Communicator& communicator)
    : progress_("training", static_cast<std::size_t>(std::max<std::int64_t>(total_steps - global_step, 1)),
                "steps"),
      leads_(leads(communicator)),
      histograms_(histograms),
      lambda_g_(lambda_g),
      first_step_(global_step),
      total_steps_(total_steps),
      ranks_(communicator.size()),
      rank_clock_(communicator),
      start_(Clock::now()),
      window_start_(start_) {
  if (!leads_) return;
  metrics_.open(run / "metrics.jsonl", global_step);
  events_ = std::make_unique<report::TensorBoardWriter>(run / "tensorboard");
}

void RunLog::step(const FinishedStep& step, std::int64_t global_step, bool line) {
  std::optional<RankTimes> times;
  if (line) times = rank_clock_.lap();
  if (!leads_) return;
  const StepOrder& order = step.order;
  const HeadStep& head = step.head;
  histogram_.add(head.lengths);
  window_pictures_ += order.size;
  window_wait_ += order.wait_seconds;
  const double accuracy = static_cast<double>(head.top1) / static_cast<double>(order.size);
  const auto done = static_cast<std::size_t>(global_step - first_step_);
  if (!Progress::plain()) {
    progress_.update(done,
                     fmt::format("loss {:.3f} acc {:.1f}% lr {:.1e}", head.loss, 100 * accuracy, order.lr));
  }
  if (!line) return;

  const double elapsed = seconds_since(start_);
  const double window = seconds_since(window_start_);
  const double rate = static_cast<double>(window_pictures_) / std::max(window, 1e-9);
  const double waiting = window_wait_ / std::max(window, 1e-9);
  const double eta = elapsed / static_cast<double>(std::max<std::size_t>(done, 1)) *
                     static_cast<double>(total_steps_ - global_step);
  const auto [z_min, z_max] = std::minmax_element(head.lengths.begin(), head.lengths.end());
  const double z_mean = mean_of(head.lengths);
  const double p_mean = mean_of(head.target_probability);
  const double memory = resident_mib();
  std::string ranks;
  if (ranks_ > 1) ranks = fmt::format(" ({:.1f} a rank)", rate / ranks_);
  if (times)
    ranks += fmt::format(" comm {:.0f}% slowest rank {} ({:.2f})", 100 * times->communication, times->slowest,
                         times->slowest_ratio);
  progress_.clear();
  log::info(
      "step {}/{} epoch {} loss {:.4f} id {:.4f} mag {:.4f} acc {:.2f}% top5 {:.2f}% z {:.2f}/{:.2f}/{:.2f} "
      "lr {:.2e} "
      "img/s {:.1f}{} wait {:.0f}% mem {:.0f}MiB eta {}",
      global_step, total_steps_, order.epoch + 1, head.loss, head.loss_id, lambda_g_ * head.loss_g,
      100 * accuracy, 100.0 * static_cast<double>(head.top5) / static_cast<double>(order.size), *z_min,
      z_mean, *z_max, order.lr, rate, ranks, 100 * waiting, memory, format_duration(eta));
  nlohmann::ordered_json record{{"kind", "step"},
                                {"epoch", order.epoch},
                                {"step", order.batch},
                                {"global_step", global_step},
                                {"loss", head.loss},
                                {"loss_id", head.loss_id},
                                {"loss_g", head.loss_g},
                                {"accuracy", accuracy},
                                {"top5", static_cast<double>(head.top5) / static_cast<double>(order.size)},
                                {"lr", order.lr},
                                {"z_min", *z_min},
                                {"z_mean", z_mean},
                                {"z_max", *z_max},
                                {"p_mean", p_mean},
                                {"images_per_s", rate},
                                {"data_wait", waiting},
                                {"memory_mib", memory},
                                {"time_s", elapsed}};
  if (ranks_ > 1) record["ranks"] = ranks_;
  if (times) {
    record["communication"] = times->communication;
    record["slowest_rank"] = times->slowest;
    record["slowest_ratio"] = times->slowest_ratio;
  }
  metrics_.write(record);
  for (const char* key : {"loss", "loss_id", "loss_g", "accuracy", "lr", "z_min", "z_mean", "z_max", "p_mean",
                          "images_per_s"}) {
    events_->scalar(std::string("train/") + key, global_step, record.at(key).get<double>());
  }
  if (histograms_) {
    nlohmann::ordered_json histogram{
        {"kind", "histogram"}, {"epoch", order.epoch}, {"global_step", global_step}};
    histogram.update(histogram_.to_json());
    metrics_.write(histogram);
    events_->histogram("train/magnitude", global_step, histogram_.edges(), histogram_.counts());
  }
  events_->flush();
  histogram_.clear();
  window_start_ = Clock::now();
  window_pictures_ = 0;
  window_wait_ = 0;
}

void RunLog::epoch(const RunState& state, double seconds) {
  if (!leads_) return;
  const EpochSums& sums = state.sums;
  const auto pictures = static_cast<double>(std::max<std::int64_t>(sums.pictures, 1));
  progress_.clear();
  log::info("epoch {} done: loss {:.4f} id {:.4f} acc {:.2f}% top5 {:.2f}% z {:.2f}/{:.2f}/{:.2f} in {}",
            state.epoch + 1, sums.loss / pictures, sums.loss_id / pictures,
            100 * static_cast<double>(sums.top1) / pictures, 100 * static_cast<double>(sums.top5) / pictures,
            sums.z_min, sums.z_sum / pictures, sums.z_max, format_duration(seconds));
  metrics_.write({{"kind", "epoch"},
                  {"epoch", state.epoch},
                  {"global_step", state.global_step},
                  {"pictures", sums.pictures},
                  {"loss", sums.loss / pictures},
                  {"loss_id", sums.loss_id / pictures},
                  {"loss_g", sums.loss_g / pictures},
                  {"accuracy", static_cast<double>(sums.top1) / pictures},
                  {"top5", static_cast<double>(sums.top5) / pictures},
                  {"z_min", sums.z_min},
                  {"z_mean", sums.z_sum / pictures},
                  {"z_max", sums.z_max}});
  events_->scalar("epoch/loss", state.global_step, sums.loss / pictures);
  events_->scalar("epoch/accuracy", state.global_step, static_cast<double>(sums.top1) / pictures);
  events_->flush();
}

void RunLog::evaluation(std::int64_t epoch, std::int64_t global_step, const std::string& set,
                        const nlohmann::ordered_json& figures) {
  if (!leads_) return;
  const std::string name = to_json_text(set);
  nlohmann::ordered_json record{
      {"kind", "eval"}, {"epoch", epoch}, {"global_step", global_step}, {"set", name}};
  record.update(figures);
  metrics_.write(record);
  for (const auto& [key, value] : figures.items()) {
    if (value.is_number()) events_->scalar("eval/" + name + "/" + key, global_step, value.get<double>());
  }
  events_->flush();
}

}  // namespace qcface::train
