// AVX2 and FMA: 6 x 2 sums, 2 panel registers and a broadcast fill 15 of 16 registers. Compiled with -mavx2 -mfma.
#define QCF_ISA_NAME "avx2"
#define QCF_VECTOR_FLOATS 8
#define QCF_PANEL_VECTORS 2
#define QCF_BLOCK_ROWS 6
#include "kernels/cpu/tile_impl.h"

namespace qcface::kernels {

const TileOps* tile_ops_avx2() { return &OpsOf<NegativesList>::kOps; }

}  // namespace qcface::kernels
