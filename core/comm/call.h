// One call of a collective, as communicators compare it between the ranks and name it in errors.
#pragma once

#include <cstdint>
#include <string>

#include "core/comm/communicator.h"

namespace qcface {

enum class CallKind : std::int32_t { kAllReduce, kAllGather, kReduceScatter, kBroadcast, kBarrier, kWait };
/// "all_reduce".
const char* name_of(CallKind kind);

/// What has to be the same on every rank.
struct CollectiveCall {
  CallKind kind = CallKind::kBarrier;
  Reduce reduce = Reduce::kSum;            // of all_reduce and reduce_scatter, kSum elsewhere
  ElementType type = ElementType::kBytes;  // of the whole array, as its size
  std::int32_t root = 0;                   // of broadcast, 0 elsewhere
  std::int64_t rows = 0, width = 0;

  bool operator==(const CollectiveCall&) const = default;
};
CollectiveCall make_call(CallKind kind, const Array& whole, Reduce reduce = Reduce::kSum, int root = 0);

/// "all_reduce (sum) of [4, 3] f32".
std::string describe(const CollectiveCall& call);
/// The Error's text for calls that differ: "rank 0 calls ..., rank 2 ...: every rank has to ...".
std::string describe_difference(const CollectiveCall& of_rank_0, int rank, const CollectiveCall& of_rank);

}  // namespace qcface
