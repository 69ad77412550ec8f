// Ranks that are threads of one process: what several ranks do, tested without a second process. Every collective is a
// meeting of all ranks, at which the last to come does the work in the order of the ranks.
#pragma once

#include <functional>

#include "core/comm/communicator.h"

namespace qcface {

/// Runs work(communicator) on `ranks` threads, one a rank, and returns when all have ended. Arrays are host memory, where
/// "device" memory is the host's (the CPU backend); on_device is refused.
/// A rank whose work throws is gone, and so is one that returns while others still meet: they get an Error that names it.
/// The exception of the rank that was the first to go is thrown from here; else that of the lowest rank that threw.
void run_ranks(int ranks, const std::function<void(Communicator&)>& work);

}  // namespace qcface
