// Collectives for arrays on GPUs, by NCCL. Arrays on the host go to another communicator, which also brings the ranks together.
//
// NOT RUN YET: written and compiled without a GPU at hand. Only its kernel (nn/cuda/reduce_parts.h) has been tested, emulated.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "core/comm/communicator.h"

namespace qcface::nn {

struct NcclOptions {
  int device = 0;  // this rank's GPU: one of its own, NCCL takes no two ranks on one
  double timeout_s =
      600;  // how long NCCL may take to connect or to start a collective, and wait() for the stream
  std::size_t workspace_bytes =
      std::size_t{64} << 20;  // on the device, a stream, for arrays of all ranks; the same on every rank
};

/// Where the contract of communicator.h differs: a sum is NCCL's, whose order is its own (the same bits on every rank, and again
/// in a run with the same GPUs and version), where the arrays of all ranks are larger together than 1 MiB (all_reduce: gathering
/// them would cost ranks / 2 times the traffic) or than workspace_bytes (reduce_scatter); smaller ones, maxima and log-sum-exp
/// are gathered and reduced in the order of the ranks.
///
/// Calls may go to several streams, from one thread, in the same order on every rank: NCCL runs those of one communicator one
/// after the other. Each stream has a workspace of its own, made with its first call that needs one; that call must not be recorded.
class DeviceCommunicator : public Communicator {
 public:
  /// Returns when the work on `stream` is done, in the way that a lost rank does not leave this one waiting: polls NCCL and the
  /// other communicator, and throws after the timeout. In place of a synchronisation behind collectives. Collectives on other
  /// streams are waited for where `stream` joins those (Backend::join_communication).
  virtual void wait(void* stream) = 0;
  std::optional<double> seconds() const override { return std::nullopt; }
};

/// Made by all ranks together. `host` is borrowed. Errors: no CUDA or no NCCL in this build; libnccl.so.2 that cannot be loaded;
/// two ranks on one GPU; what NCCL reports. After an Error of NCCL or of a timeout its work is aborted, and the ranks can only be
/// ended.
std::unique_ptr<DeviceCommunicator> make_nccl_communicator(Communicator& host, const NcclOptions& options);

}  // namespace qcface::nn
