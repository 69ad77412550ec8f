// The program of these tests: one rank of several that mpirun started.
#pragma once

#include <string>
#include <vector>

#include "core/comm/mpi.h"

namespace qcface::test {

/// Every collective with every type and size, against the reduction in rank order. Throws Error for what is wrong.
void check_collectives(MpiCommunicator& comm);
/// All of it; also calls that differ and wrong arguments, and a second communicator beside the first.
void check_all();

/// STEPS rounds of collectives, and what one rank does in the middle of them.
///   loop SILENCE TIMEOUT STEPS none|return|exit|sleep|throw|thread-nothing|thread-sleep|thread-throw|late RANK
void loop(const std::vector<std::string>& arguments);

/// Times of a barrier, of small and of large reductions; printed by rank 0.
void measure();

}  // namespace qcface::test
