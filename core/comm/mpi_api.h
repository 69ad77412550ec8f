// mpi.h without its C++ bindings, which MPI 3.0 took out.
#pragma once

#ifndef OMPI_SKIP_MPICXX
#define OMPI_SKIP_MPICXX 1
#endif
#ifndef MPICH_SKIP_MPICXX
#define MPICH_SKIP_MPICXX 1
#endif
#include <mpi.h>

namespace qcface {

/// Throws Error with the function's name and MPI's own text unless `code` is MPI_SUCCESS.
void check_mpi(int code, const char* function);

}  // namespace qcface
