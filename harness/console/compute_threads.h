// The number of compute threads. OpenMP's runtime ends the whole process where the system refuses one of its threads.
#pragma once

#include "core/comm/communicator.h"

namespace qcface {

/// Bounds of --threads and --workers.
constexpr int kMostThreads = 1024;
constexpr int kMostWorkers = 256;

/// What --threads means on this machine now: 0 takes OpenMP's number (all cores, or OMP_NUM_THREADS). Where the system
/// lets fewer start than these and the `workers` loading threads together, both get their share, and a warning says so.
/// The result is also what the calling thread's OpenMP loops take from here on. At least 1.
int settle_threads(int threads, int workers);

/// --threads of one of several processes: without it (0) those of a machine share OpenMP's number out.
int threads_of_rank(int threads, const Communicator& communicator);

}  // namespace qcface
