// Which instruction set runs: decided by the processor at run time.
#include "kernels/cpu/tile.h"

namespace qcface::kernels {
namespace {

#if defined(QCF_HAVE_X86_TILES)
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
}
const TileOps* x86_ops(qcf_isa isa) {
  if ((isa == QCF_ISA_AVX512 || isa == QCF_ISA_AUTO) && has_avx512()) return tile_ops_avx512();
  if ((isa == QCF_ISA_AVX2 || isa == QCF_ISA_AUTO) && has_avx2()) return tile_ops_avx2();
  return nullptr;
}
#else
const TileOps* x86_ops(qcf_isa) { return nullptr; }
#endif

}  // namespace

const TileOps* tile_ops(qcf_isa isa) {
  if (isa == QCF_ISA_BASELINE) return tile_ops_baseline();
  const TileOps* ops = x86_ops(isa);
  return ops == nullptr && isa == QCF_ISA_AUTO ? tile_ops_baseline() : ops;
}

}  // namespace qcface::kernels

extern "C" {

int qcf_isa_available(qcf_isa isa) { return qcface::kernels::tile_ops(isa) != nullptr ? 1 : 0; }

const char* qcf_isa_name(const qcf_context* context) {
  const auto* ops = qcface::kernels::tile_ops(context->isa);
  return ops != nullptr ? ops->name : "unavailable";
}

}  // extern "C"
