// Products of rows for any processor, and the choice between them.
#define QCFACE_ROW_PRODUCTS kRowsBase
#include "nn/scoring/cpu/row_products.inl"

namespace qcface::nn::scoring {

const RowProducts& row_products() {
#ifdef QCFACE_X86
  if (__builtin_cpu_supports("avx512f")) return detail::kRowsAvx512;
  if (__builtin_cpu_supports("avx2")) return detail::kRowsAvx2;
#endif
  return detail::kRowsBase;
}

}  // namespace qcface::nn::scoring
