#include "core/comm/launch.h"

#include <map>
#include <string>

#include "tests/support/catch.h"

using namespace qcface;

namespace {

Launch launch_with(const std::map<std::string, std::string>& variables) {
  return launch_of([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

}  // namespace

TEST_CASE("A process that no launcher started is alone", "[core]") {
  for (const std::map<std::string, std::string>& variables :
       {std::map<std::string, std::string>{},
        {{"PMI_RANK", "1"}},                              // half of a dialect
        {{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}}})  // a batch script, before srun
  {
    const Launch launch = launch_with(variables);
    CHECK(launch.size == 1);
    CHECK(launch.rank == 0);
    CHECK(launch.launcher.empty());
  }
}

TEST_CASE("Every launcher's variables are understood", "[core]") {
  Launch launch = launch_with({{"OMPI_COMM_WORLD_SIZE", "16"},
                               {"OMPI_COMM_WORLD_RANK", "9"},
                               {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                               {"PMIX_RANK", "9"},
                               {"SLURM_STEP_NUM_TASKS", "2"},  // mpirun's own two processes
                               {"SLURM_PROCID", "1"}});
  CHECK(launch.size == 16);
  CHECK(launch.rank == 9);
  CHECK_THAT(launch.launcher, test::contains("Open MPI"));

  launch =
      launch_with({{"PMI_SIZE", "4"}, {"PMI_RANK", "3"}, {"MPI_LOCALRANKID", "2"}, {"SLURM_PROCID", "0"}});
  CHECK(launch.size == 4);
  CHECK(launch.rank == 3);
  CHECK_THAT(launch.launcher, test::contains("PMI"));

  launch = launch_with({{"PMI_SIZE", "4"}, {"PMI_RANK", "3"}, {"SLURM_LOCALID", "1"}});  // srun --mpi=pmi2
  CHECK(launch.size == 4);
  CHECK(launch.rank == 3);

  launch = launch_with(
      {{"PMIX_RANK", "5"}, {"SLURM_STEP_NUM_TASKS", "6"}, {"SLURM_PROCID", "5"}, {"SLURM_LOCALID", "2"}});
  CHECK(launch.size == 6);
  CHECK(launch.rank == 5);
  CHECK(launch.launcher == "srun with PMIx");

  launch = launch_with({{"SLURM_STEP_NUM_TASKS", "6"}, {"SLURM_PROCID", "5"}});
  CHECK(launch.size == 6);
  CHECK(launch.launcher == "srun");
}

TEST_CASE("Variables of a launcher that make no sense are named", "[core]") {
  CHECK_THROWS_WITH(launch_with({{"PMI_SIZE", "four"}, {"PMI_RANK", "0"}}), test::contains("PMI_SIZE=four"));
  CHECK_THROWS_WITH(launch_with({{"PMI_SIZE", "4"}, {"PMI_RANK", "-1"}}), test::contains("PMI_RANK=-1"));
  CHECK_THROWS_WITH(launch_with({{"PMI_SIZE", "4"}, {"PMI_RANK", ""}}), test::contains("PMI_RANK="));
  CHECK_THROWS_WITH(launch_with({{"OMPI_COMM_WORLD_SIZE", "2"}, {"OMPI_COMM_WORLD_RANK", "2"}}),
                    test::contains("OMPI_COMM_WORLD_RANK=2") && test::contains("below the size"));
}
