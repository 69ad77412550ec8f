// Files of tensors: each format by its reader, and the index of a model in several files.
#include <cstdint>
#include <vector>

#include "core/pickle/reader.h"
#include "core/tensors/pytorch.h"
#include "core/tensors/safetensors.h"
#include "core/tensors/sharded.h"
#include "tests/fuzz/target.h"

using namespace qcface;

namespace {

void touch(const TensorSource& source) {
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

}  // namespace

QCFACE_FUZZ_TARGET(safetensors) { touch(read_safetensors({"input", std::as_bytes(bytes), nullptr})); }

QCFACE_FUZZ_TARGET(pytorch) {
  const MappedFile file{"input", std::as_bytes(bytes), nullptr};
  if (!is_pytorch(file.bytes)) return;
  touch(read_pytorch(file));
  (void)check_storages(file);
}

QCFACE_FUZZ_TARGET(shard_index) {
  if (is_shard_index(std::as_bytes(bytes))) touch(read_shards(fuzz::file_of(bytes)));
}

QCFACE_FUZZ_TARGET(pickle) {
  const pickle::Document document = pickle::read("input", std::as_bytes(bytes), {.persistent_ids = true});
  (void)document.root.describe();
  std::vector<std::uint8_t> buffer;
  for (const pickle::Value& item : document.root.items()) {
    (void)item.describe();
    (void)pickle::bytes_of(item, buffer);
  }
}
