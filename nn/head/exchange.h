// What the ranks of a class-sharded head tell each other (kernels.h, staged calls). Rank r of R holds the classes
// share_of(K, r, R) with their state and reads the pictures share_of(N, r, R) of a batch of N. One step:
//
//   all_gather x and labels          every rank: all N rows
//   forward_stages                   every rank: losses, row values, t and length statistics of the whole batch; a share of dx
//   reduce_scatter dx                dx of the rank's own rows, the mean being over all N
//   qcf_head_weights                 dw of the rank's own classes, whole: nothing to reduce
//
// Gradients of the backbone then add up over the ranks. Values that stand on one rank alone (target cosines, counts) pass
// without rounding, so t, length statistics, lengths and hard counts are the bits of one rank that holds everything; losses,
// p and gradients differ from it by the rounding of the sums over the classes. All ranks have the same bits.
#pragma once

#include <qcface/kernels.hpp>

#include <cstdint>

#include "core/comm/communicator.h"

namespace qcface::nn {

/// qcf_head_prepare, qcf_head_sums and qcf_head_finish with the reductions between them, on the context's stream. args: n is
/// all of the ranks' rows, class_offset and k_loc are this rank's classes of k_total; with more than one rank
/// row_tangent is NULL. One rank gets the bits of qcf_head_step. Throws KernelError, and the communicator's Error: a rank
/// that finds NaN in its classes leaves the others to theirs.
void forward_stages(KernelContext& context, const qcf_head_config& config, const qcf_head_args& args,
                    Communicator& communicator);

}  // namespace qcface::nn
