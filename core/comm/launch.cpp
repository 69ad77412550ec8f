#include "core/comm/launch.h"

#include <charconv>
#include <cstdlib>
#include <string_view>
#include <system_error>

#include "core/error.h"
#include "core/text.h"

namespace qcface {
namespace {

/// The variables of one kind of launcher. In the order of the table: mpirun under Slurm starts its processes with srun, whose
/// variables then speak of mpirun's own processes, one a host.
struct Dialect {
  const char* launcher;
  const char* size;
  const char* rank;
};
constexpr Dialect kDialects[] = {
    {"Open MPI's mpirun", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
    {"a launcher that speaks PMI (MPICH's mpirun, srun)", "PMI_SIZE", "PMI_RANK"},
    {"srun with PMIx", "SLURM_STEP_NUM_TASKS", "PMIX_RANK"},
    // srun --mpi=none: MPI will see single processes, and the Error about that needs to know how many there are.
    {"srun", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"},
};

int number(const char* name, const char* text) {
  const std::string_view view(text);
  int value = 0;
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), value);
  require(error == std::errc() && end == view.data() + view.size() && value >= 0,
          "the environment has {}={}, which its launcher sets: expected a number; start the program anew, or "
          "unset it",
          name, printable(view, 100));
  return value;
}

}  // namespace

Launch launch_of(const Environment& environment) {
  for (const Dialect& dialect : kDialects) {
    const char* const size = environment(dialect.size);
    const char* const rank = environment(dialect.rank);
    if (size == nullptr || rank == nullptr) continue;
    Launch launch{number(dialect.size, size), number(dialect.rank, rank), dialect.launcher};
    require(launch.rank < launch.size,
            "the environment has {}={} and {}={}: expected a rank below the size; start the program anew, or "
            "unset both",
            dialect.rank, launch.rank, dialect.size, launch.size);
    return launch;
  }
  return {};
}

Launch this_launch() {
  return launch_of([](const char* name) { return std::getenv(name); });
}

}  // namespace qcface
