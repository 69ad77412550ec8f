#include "harness/cli/ranks.h"

#include "core/comm/launch.h"
#include "core/comm/mpi.h"
#include "core/log.h"
#include "harness/cli/failure.h"
#include "harness/console/logging.h"

namespace qcface::cli {

int run_on_ranks(double timeout, const std::function<int(Communicator&)>& work) {
  const Launch launch = this_launch();
  if (launch.size == 1) return work(*make_single_communicator());
  log_as_rank(launch.rank);
  int status = 1;
  try {
    MpiOptions options;
    options.timeout_s = timeout;
    const auto communicator = make_mpi_communicator(options);
    log::info("ranks:       {}, started by {}, {}", communicator->size(), launch.launcher, mpi_library());
    status = work(*communicator);
    communicator->finish();
    return status;
  } catch (...) {
    status = report_failure();
  }
  end_all_ranks(status);
  return status;
}

}  // namespace qcface::cli
