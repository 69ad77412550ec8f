// AVX-512: 12 x 2 sums of 32 registers. Compiled with -mavx512f and friends.
#define QCF_ISA_NAME "avx512"
#define QCF_VECTOR_FLOATS 16
#define QCF_PANEL_VECTORS 2
#define QCF_BLOCK_ROWS 12
#include "kernels/cpu/tile_impl.h"

namespace qcface::kernels {

const TileOps* tile_ops_avx512() { return &OpsOf<NegativesList>::kOps; }

}  // namespace qcface::kernels
