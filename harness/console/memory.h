// Memory of this process as the system counts it.
#pragma once

#include <cstddef>

namespace qcface {

/// Resident set now, and its peak, in MiB; 0 where the system does not say.
double resident_mib();
double peak_resident_mib();

}  // namespace qcface
