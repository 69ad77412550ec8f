// Which devices this build and machine offer.
#pragma once

#include <string>

namespace qcface {

enum class DeviceKind { kCpu, kCuda };

/// Number of usable CUDA devices. 0 when the build has no CUDA, or the driver reports any error; `reason`, if
/// given, then says why. Never throws.
int cuda_device_count(std::string* reason = nullptr);

}  // namespace qcface
