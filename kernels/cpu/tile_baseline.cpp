// Any processor: 128-bit vectors (SSE2, NEON) or what the compiler makes of them. 2 x 4 sums, 4 panel registers and a
// broadcast fit the 16 registers of x86-64.
#define QCF_ISA_NAME "baseline"
#define QCF_VECTOR_FLOATS 4
#define QCF_PANEL_VECTORS 4
#define QCF_BLOCK_ROWS 2
#include "kernels/cpu/tile_impl.h"

namespace qcface::kernels {

const TileOps* tile_ops_baseline() { return &OpsOf<NegativesList>::kOps; }

}  // namespace qcface::kernels
