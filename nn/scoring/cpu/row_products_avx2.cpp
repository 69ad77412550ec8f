// Products of rows for AVX2.
#define QCFACE_ROW_PRODUCTS kRowsAvx2
#include "nn/scoring/cpu/row_products.inl"
