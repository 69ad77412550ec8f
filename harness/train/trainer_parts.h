// What a training run is made of, from its options.
#pragma once

#include <cstdint>
#include <memory>

#include "core/communicator.h"
#include "harness/data/loader.h"
#include "harness/train/head.h"
#include "harness/train/step_engine.h"
#include "harness/train/train_options.h"
#include "nn/backend.h"
#include "nn/schedule.h"

namespace qcface::train {

/// `pixels`: batches come as 8-bit pixels, as engines on a GPU take them.
data::LoaderOptions loader_options(const TrainOptions& options, bool pixels);
HeadOptions head_options(const TrainOptions& options, int threads);
std::unique_ptr<StepEngine> make_engine(const TrainOptions& options, const nn::DeviceChoice& device,
                                        int threads, Head& head, Communicator& communicator);
nn::ScheduleConfig schedule_config(const TrainOptions& options, std::int64_t steps_per_epoch);

/// Throws Error when an epoch has no batch, or one that batch norm is not defined for; warns when a batch is larger than
/// the set.
void check_batches(const TrainOptions& options, std::int64_t pictures, std::int64_t batches_per_epoch);

/// Logs what is about to run.
void announce(const TrainOptions& options, const data::ImageFolder& set, std::int64_t batches_per_epoch,
              StepEngine& engine);

}  // namespace qcface::train
