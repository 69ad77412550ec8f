// How this process was started, told by its environment alone: no call of MPI, so that a single process need not open it and a
// build without MPI can say what is missing.
#pragma once

#include <functional>
#include <string>

namespace qcface {

struct Launch {
  int size = 1, rank = 0;
  std::string launcher;  // for people; empty: started alone
};

/// The value of a variable, null where it is not set.
using Environment = std::function<const char*(const char* name)>;

/// Open MPI (mpirun, prterun), MPICH and others with Hydra, srun with PMI-1, PMI-2, PMIx or none of them. Throws Error naming
/// the variable where one is no number or rank and size do not fit together.
Launch launch_of(const Environment& environment);
/// Of this process.
Launch this_launch();

}  // namespace qcface
