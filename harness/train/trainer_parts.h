// What a training run is made of, from its options.
#pragma once

#include <cstdint>
#include <memory>

#include "core/comm/communicator.h"
#include "harness/data/loader.h"
#include "harness/train/engine.h"
#include "harness/train/train_options.h"
#include "nn/backend.h"
#include "nn/schedule.h"

namespace qcface::train {

data::LoaderOptions loader_options(const TrainOptions& options);
qcf_head_config head_config(const TrainOptions& options);
Engine make_engine(const TrainOptions& options, const nn::DeviceChoice& device, int threads,
                   std::int64_t classes, std::int64_t pictures, Communicator& communicator);
nn::ScheduleConfig schedule_config(const TrainOptions& options, std::int64_t steps_per_epoch);

/// Throws Error when an epoch has no batch, or one that batch norm is not defined for; warns when a batch is larger than
/// the set.
void check_batches(const TrainOptions& options, std::int64_t pictures, std::int64_t batches_per_epoch);

/// Logs what is about to run.
void announce(const TrainOptions& options, const data::PictureSource& set, std::int64_t batches_per_epoch,
              Engine& engine);

}  // namespace qcface::train
