// --device: where a network runs.
#pragma once

#include <optional>
#include <span>

#include "core/comm/communicator.h"
#include "harness/console/option_table.h"
#include "nn/backend.h"

namespace qcface::model {

/// The values of --device; none ("auto"): a GPU where there is one.
inline const Choices<std::optional<nn::DeviceKind>> kDeviceChoices{
    {"auto", std::nullopt}, {"cuda", nn::DeviceKind::kCuda}, {"cpu", nn::DeviceKind::kCpu}};

/// Settles --device, --gpu_id and --precision; where there is no GPU for auto, says so in one line. Throws Error for cuda
/// without a GPU, UsageError for a GPU that is not there, and a precision that the device does not have.
nn::DeviceChoice choose_device(std::optional<nn::DeviceKind> wanted, int gpu, nn::Precision precision);

/// The GPU of --gpu_id that is this rank's: one is named for each rank of this machine, or the first one, which the GPUs
/// behind it follow. Throws UsageError that says how to start a process a GPU.
int gpu_of_rank(std::span<const int> gpus, const Communicator& communicator);

}  // namespace qcface::model
