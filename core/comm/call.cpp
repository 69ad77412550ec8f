#include "core/comm/call.h"

#include <fmt/format.h>

namespace qcface {

const char* name_of(CallKind kind) {
  switch (kind) {
    case CallKind::kAllReduce:
      return "all_reduce";
    case CallKind::kAllGather:
      return "all_gather";
    case CallKind::kReduceScatter:
      return "reduce_scatter";
    case CallKind::kBroadcast:
      return "broadcast";
    case CallKind::kWait:
      return "work on the device";
    case CallKind::kBarrier:
      break;
  }
  return "barrier";
}

CollectiveCall make_call(CallKind kind, const Array& whole, Reduce reduce, int root) {
  return {kind, reduce, whole.type, root, whole.rows, whole.width};
}

std::string describe(const CollectiveCall& call) {
  if (call.kind == CallKind::kBarrier || call.kind == CallKind::kWait) return name_of(call.kind);
  std::string how;
  if (call.kind == CallKind::kAllReduce || call.kind == CallKind::kReduceScatter)
    how = fmt::format(" ({})", name_of(call.reduce));
  if (call.kind == CallKind::kBroadcast) how = fmt::format(" from rank {}", call.root);
  return fmt::format("{}{} of [{}, {}] {}", name_of(call.kind), how, call.rows, call.width,
                     name_of(call.type));
}

std::string describe_difference(const CollectiveCall& of_rank_0, int rank, const CollectiveCall& of_rank) {
  return fmt::format("rank 0 calls {}, rank {} {}: every rank has to make the same calls in the same order",
                     describe(of_rank_0), rank, describe(of_rank));
}

}  // namespace qcface
