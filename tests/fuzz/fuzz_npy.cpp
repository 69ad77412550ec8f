#include "core/npy.h"
#include "tests/fuzz/target.h"

using namespace qcface;

QCFACE_FUZZ_TARGET(npy) {
  const NpyArray array = read_npy(fuzz::file_of(bytes));
  fuzz::expect(array.elements() >= 0, "a negative number of elements");
  if (array.dtype.starts_with("<U")) {
    (void)array.to_strings();
  } else {
    (void)array.to_double();
  }
}
