#include "harness/console/compute_threads.h"

#include <omp.h>

#include <algorithm>

#include "core/log.h"
#include "core/threads.h"

namespace qcface {

int settle_threads(int threads, int workers) {
  int wanted = threads;
  if (wanted <= 0) {
    wanted = std::max(omp_get_max_threads(), 1);
    if (wanted > kMostThreads) {
      log::warn("OMP_NUM_THREADS asks for {} threads; {} are used at most", wanted, kMostThreads);
      wanted = kMostThreads;
    }
  }
  const int all = wanted + std::max(workers, 0);
  const int startable = startable_threads(all);
  int used = wanted;
  if (startable < all) {
    used = static_cast<int>(std::max<long>(1L * startable * wanted / all, 1));
    if (used < wanted) {
      log::warn("--threads {}: the system lets {} start, loading threads included; {} are used", wanted,
                startable, used);
    }
  }
  omp_set_num_threads(used);
  return used;
}

int threads_of_rank(int threads, const Communicator& communicator) {
  if (threads != 0 || communicator.local_size() == 1) return threads;
  return std::max(omp_get_max_threads() / communicator.local_size(), 1);
}

}  // namespace qcface
