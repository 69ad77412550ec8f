#include "core/tensors/safetensors.h"

#include <memory>

#include "tests/fuzz/target.h"

using namespace qcface;

QCFACE_FUZZ_TARGET(safetensors) {
  const MappedFile file{"input", std::as_bytes(bytes), nullptr};
  const TensorSource source = read_safetensors(file);
  for (const TensorView& tensor : source.tensors()) {
    fuzz::expect(tensor.elements() >= 0 &&
                     static_cast<std::size_t>(tensor.elements()) * size_of(tensor.dtype) == tensor.bytes,
                 "a tensor's bytes are not those of its shape");
    switch (tensor.dtype) {
      case Dtype::kF64:
      case Dtype::kF32:
      case Dtype::kF16:
      case Dtype::kBF16:
        (void)tensor.to_float();
        break;
      default:
        break;
    }
  }
}
