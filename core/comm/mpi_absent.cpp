#include "core/comm/launch.h"
#include "core/comm/mpi.h"
#include "core/error.h"

namespace qcface {

std::unique_ptr<MpiCommunicator> make_mpi_communicator(const MpiOptions&) {
  const Launch launch = this_launch();
  constexpr const char* kHowTo =
      "this program was built without MPI: install libopenmpi-dev or libmpich-dev, the one that mpirun "
      "belongs to, and "
      "build with -DQCFACE_MPI=ON";
  require(launch.launcher.empty(), "{} started {} processes, but {}", launch.launcher, launch.size, kHowTo);
  fail("more than one process was asked for, but {}", kHowTo);
}

std::string mpi_library() { return {}; }

void end_all_ranks(int) noexcept {}

}  // namespace qcface
