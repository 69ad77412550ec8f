// The options of `qcface train`: those of the published train.py under the same names and meanings, and what a
// user would miss there. One table (add_train_options) makes parser, help, configuration file and document.
#pragma once

#include <qcface/kernels.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/console/option_table.h"
#include "harness/console/timeout_option.h"
#include "harness/data/augment/augmentation.h"
#include "harness/data/loader.h"
#include "harness/data/preparation.h"
#include "harness/model/family.h"
#include "nn/backend.h"
#include "nn/schedule.h"

namespace qcface::train {

/// Names of values that more than the option table needs.
inline const Choices<qcf_phase> kPhaseChoices{{"id", QCF_PHASE_ID}, {"norm", QCF_PHASE_NORM}};
inline const Choices<nn::ScheduleKind> kScheduleChoices{{"step", nn::ScheduleKind::kStep},
                                                        {"cosine", nn::ScheduleKind::kCosine}};

/// What becomes of the class weights in the file of --weight_path.
enum class ClassWeights { kAuto, kKeep, kNew };

struct TrainOptions {
  // As the published trainer.
  std::string arch = "ir100";
  qcf_head_kind loss_model = QCF_HEAD_QCFACE;
  qcf_phase phase = QCF_PHASE_ID;
  std::string weight_path;
  std::vector<int> gpu_id{0};
  std::string data_dirs;  // comma-separated
  int workers = 4;
  int epochs = 90;
  int start_epoch = 0;
  std::int64_t batch_size = 512;
  double lr = 0.1;
  double momentum = 0.9;
  double weight_decay = 1e-4;
  std::vector<int> lr_drop_epoch{30, 60, 90};
  double lr_drop_ratio = 0.1;
  int print_freq = 10;
  std::string pth_save_fold = "tmp";
  int pth_save_epoch = 1;
  int embed_dims = 512;
  double lambda_g = 20;
  int vis_mag = 1;

  // Ours.
  std::string config;
  std::string resume;
  ClassWeights head = ClassWeights::kAuto;
  std::optional<model::Family> family;  // of weight_path; none: told from the file
  std::uint64_t seed = 0;
  std::optional<nn::DeviceKind> device;  // none: a GPU where there is one
  nn::Precision precision = nn::Precision::kFp32;
  int threads = 0;
  int accumulate = 1;
  bool sync_bn = false;
  bool no_overlap = false;
  data::Augmentation augment = data::AugmentMode::kPublished;
  bool jpeg_swap_rb = false;
  bool no_shuffle = false;
  bool drop_last = false;
  bool merge_by_name = false;
  std::vector<double> data_weights;  // of each of data_dirs; empty: 1
  data::Preparation preparation;
  double bn_eps = 0;  // 0 until the run is settled: that of weight_path, else QCFace's
  double dropout = 0.4;
  std::optional<qcf_rule> rule;  // none: the head's published rule
  double scale = 0;              // 0: the head's published value
  double margin = -1;            // likewise
  nn::ScheduleKind lr_schedule = nn::ScheduleKind::kStep;
  std::int64_t warmup_steps = 0;
  double lr_min = 0;
  std::int64_t max_steps = 0;
  std::vector<std::string> eval_data;
  int eval_epoch = 1;
  std::string best_by = "accuracy";
  std::string degrade_data;
  std::int64_t save_steps = 0;
  int keep_last = 3;
  bool no_report = false;
  double sample_rate = 1;
  double timeout = kRankTimeoutSeconds;
};

/// --augment.
void add_augment_option(OptionTable& table, data::Augmentation& target);

/// Binds every option to `options`.
void add_train_options(OptionTable& table, TrainOptions& options);

/// Throws UsageError naming the flags: flags that contradict each other, values out of range.
void check_train_options(const OptionTable& table, const TrainOptions& options);

/// Options that a resumed run may change; all others are taken from the checkpoint.
bool may_change_on_resume(const std::string& key);

}  // namespace qcface::train
