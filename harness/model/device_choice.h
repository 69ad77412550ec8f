// --device: where a network runs.
#pragma once

#include <optional>
#include <span>

#include "harness/console/option_table.h"
#include "nn/backend.h"

namespace qcface::model {

/// The values of --device; none ("auto"): a GPU where there is one.
inline const Choices<std::optional<nn::DeviceKind>> kDeviceChoices{
    {"auto", std::nullopt}, {"cuda", nn::DeviceKind::kCuda}, {"cpu", nn::DeviceKind::kCpu}};

/// Settles --device, --gpu_id and --precision; where there is no GPU for auto, says so in one line. Throws Error for cuda
/// without a GPU, UsageError for more than one GPU, one that is not there, and a precision that the device does not have.
nn::DeviceChoice choose_device(std::optional<nn::DeviceKind> wanted, std::span<const int> gpus,
                               nn::Precision precision);

}  // namespace qcface::model
