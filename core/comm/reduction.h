// The reduction that every host communicator does itself, so that all of them give the same bits.
#pragma once

#include <cstdint>
#include <vector>

#include "core/comm/communicator.h"

namespace qcface {

/// out[i] = the reduction of parts[0][i], parts[1][i] and so on, `count` elements each, in that order and in the arrays' own
/// type: ((v0 + v1) + v2) ... ; the largest, NaN if one of them is; qcf_log_sum_exp. `out` may be one of the parts, else it
/// overlaps none. Neither `parts` nor the combination of `type` and `reduce` is checked: Communicator does that.
void reduce_in_order(const std::vector<const void*>& parts, std::int64_t count, ElementType type,
                     Reduce reduce, void* out);

}  // namespace qcface
