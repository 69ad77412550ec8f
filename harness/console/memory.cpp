#include "harness/console/memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

namespace qcface {

double resident_mib() {
  std::ifstream file("/proc/self/statm");
  double pages_total = 0, pages_resident = 0;
  file >> pages_total >> pages_resident;
  return pages_resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

double peak_resident_mib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

}  // namespace qcface
