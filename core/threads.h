// How many threads the system lets this process start. Containers and schedulers limit them (pids.max, ulimit -u); OpenMP
// ends the whole process where it meets that limit, so the number is found out before a team is asked for.
#pragma once

namespace qcface {

/// The number of threads, at most `wanted`, that can run beside each other in this process from now on, this one
/// included: at least 1. Starts wanted - 1 threads that do nothing and ends them.
int startable_threads(int wanted);

}  // namespace qcface
