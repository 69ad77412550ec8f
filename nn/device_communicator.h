// Collectives for arrays on GPUs. Arrays on the host go to another communicator, which also brings the ranks together.
//
// Two ways, the same on all ranks. Each rank on a GPU of its own: NCCL. Two ranks on one GPU, which NCCL refuses: through the
// host, by copies and the other communicator; slow, for trying out and for tests.
//
// NOT RUN YET: written and compiled without a GPU at hand. The way through the host has been tested with the device emulated; of
// NCCL's only its kernel (nn/cuda/reduce_parts.h).
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "core/comm/communicator.h"

namespace qcface::nn {

struct NcclOptions {
  int device = 0;          // this rank's GPU
  double timeout_s = 600;  // how long NCCL may take to connect or to start a collective
  std::size_t workspace_bytes =
      std::size_t{64} << 20;  // on the device, a stream, for arrays of all ranks; the same on every rank
};

/// What tells GPUs apart, on one machine and on several: CUDA's UUID.
using GpuId = std::array<unsigned char, 16>;

/// The first two ranks that use the same GPU, by all ranks' GPUs in the order of the ranks; none: each has one of its own.
std::optional<std::pair<int, int>> ranks_on_one_gpu(std::span<const GpuId> gpus);

/// Where NCCL's departs from the contract of communicator.h: a sum is NCCL's, whose order is its own (the same bits on every rank,
/// and again in a run with the same GPUs and version), where the arrays of all ranks are larger together than 1 MiB (all_reduce:
/// gathering them would cost ranks / 2 times the traffic) or than workspace_bytes (reduce_scatter); smaller ones, maxima and
/// log-sum-exp are gathered and reduced in the order of the ranks. Through the host everything has the other communicator's bits,
/// but its collectives return when they are done, and cannot be recorded (enqueues()).
///
/// Calls may go to several streams, from one thread, in the same order on every rank: NCCL runs those of one communicator one
/// after the other. Each stream has a workspace of its own, made with its first call that needs one; that call must not be recorded.
///
/// wait_until() asks NCCL and the other communicator for errors while work on the GPU is under way; the other communicator says who
/// is missing after its own time. seconds() is empty with NCCL.
///
/// Made by all ranks together, which tell each other their GPUs and choose the same way: through the host where any two use the
/// same one, which a warning of rank 0 says. `host` is borrowed. Errors: no CUDA in this build, a GPU that is not there; for
/// NCCL's: no NCCL in this build, libnccl.so.2 that cannot be loaded, what NCCL reports. After an Error of NCCL or of a timeout
/// its work is aborted, and the ranks can only be ended.
std::unique_ptr<Communicator> make_device_communicator(Communicator& host, const NcclOptions& options);

}  // namespace qcface::nn
