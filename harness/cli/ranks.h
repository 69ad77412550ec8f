// A command that may be started as several processes, by mpirun or srun: one rank each.
#pragma once

#include <functional>

#include "core/comm/communicator.h"

namespace qcface::cli {

/// Runs `work` with the communicator of all processes that were started with this one (of one process where no launcher speaks)
/// and returns its exit status. Lines of ranks but the first are warnings and errors alone, with their rank. What work throws
/// is reported, and ends all processes. timeout: seconds that a collective waits for a rank.
int run_on_ranks(double timeout, const std::function<int(Communicator&)>& work);

}  // namespace qcface::cli
