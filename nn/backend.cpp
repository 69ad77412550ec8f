#include "nn/backend.h"

#include "core/error.h"

namespace qcface::nn {

void Backend::share_batch_norm(Communicator&) {
  fail("{}: batch norm over the pictures of all processes is there for the CPU alone; leave --sync-bn out",
       device());
}

}  // namespace qcface::nn
