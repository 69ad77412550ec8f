// Products of rows for AVX-512.
#define QCFACE_ROW_PRODUCTS kRowsAvx512
#include "nn/scoring/cpu/row_products.inl"
