// --timeout of the commands that run as several processes.
#pragma once

#include "harness/console/option_table.h"

namespace qcface {

constexpr double kRankTimeoutSeconds = 600;

inline void add_timeout(OptionTable& table, double& seconds) {
  table.add_number("--timeout", seconds, 1, 1e6,
                   "With several processes: seconds that one waits for the others before it ends them all");
}

}  // namespace qcface
