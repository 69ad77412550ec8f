#include "harness/export/pytorch.h"

#include <algorithm>
#include <string_view>

#include "core/atomic_file.h"
#include "harness/export/zip_writer.h"

namespace qcface::exports {
namespace {

// Opcodes of pickle protocol 2 (data-formats.md section 4).
class Pickle {
 public:
  Pickle() { bytes_ = "\x80\x02"; }
  Pickle& code(char opcode) {
    bytes_ += opcode;
    return *this;
  }
  Pickle& text(std::string_view value) { return code('X').number(value.size(), 4).raw(value); }
  Pickle& integer(std::int64_t value) {
    if (value >= 0 && value < 256) return code('K').number(static_cast<std::uint64_t>(value), 1);
    if (value >= INT32_MIN && value <= INT32_MAX)
      return code('J').number(static_cast<std::uint64_t>(value), 4);
    return code('\x8a').number(8, 1).number(static_cast<std::uint64_t>(value), 8);
  }
  Pickle& global(std::string_view module, std::string_view name) {
    return code('c').raw(module).raw("\n").raw(name).raw("\n");
  }
  Pickle& tuple(const std::vector<std::int64_t>& values) {
    if (values.empty()) return code(')');
    code('(');
    for (const std::int64_t value : values) integer(value);
    return code('t');
  }
  Pickle& empty_ordered_dict() { return global("collections", "OrderedDict").code(')').code('R'); }
  const std::string& finish() { return code('.').bytes_; }

 private:
  Pickle& number(std::uint64_t value, int width) {
    for (int i = 0; i < width; ++i) bytes_ += static_cast<char>(value >> (8 * i));
    return *this;
  }
  Pickle& raw(std::string_view bytes) {
    bytes_ += bytes;
    return *this;
  }
  std::string bytes_;
};

std::vector<std::int64_t> strides_of(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> strides(shape.size());
  std::int64_t stride = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

// torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks); the storage is a persistent id.
void put_tensor(Pickle& pickle, const ExportTensor& tensor, std::size_t key) {
  std::int64_t count = 1;
  for (const std::int64_t extent : tensor.shape) count *= extent;
  pickle.global("torch._utils", "_rebuild_tensor_v2").code('(').code('(').text("storage");
  pickle.global("torch", tensor.is_scalar() ? "LongStorage" : "FloatStorage")
      .text(std::to_string(key))
      .text("cpu");
  pickle.integer(count).code('t').code('Q').integer(0).tuple(tensor.shape).tuple(strides_of(tensor.shape));
  pickle.code('\x89').empty_ordered_dict().code('t').code('R');
}

std::string pickle_of(const Weights& weights, const PytorchOptions& options) {
  Pickle pickle;
  if (!options.bare) {
    pickle.code('}').code('(').text("epoch").integer(options.epoch).text("arch").text(weights.backbone.name);
    pickle.text(model::kExportKey).text(options.own).text("state_dict");
  }
  pickle.empty_ordered_dict().code('(');
  for (std::size_t i = 0; i < weights.tensors.size(); ++i) {
    pickle.text(weights.tensors[i].name);
    put_tensor(pickle, weights.tensors[i], i);
  }
  pickle.code('u');
  if (!options.bare) pickle.code('u');
  return pickle.finish();
}

}  // namespace

void write_pytorch(const std::filesystem::path& path, const Weights& weights, const PytorchOptions& options) {
  require_finite(weights);
  AtomicFile file(path);
  ZipWriter zip(file);
  zip.add("archive/data.pkl", pickle_of(weights, options));
  zip.add("archive/byteorder", "little");
  // In the order of the keys as texts, as torch.save has them: 0, 1, 10, 11, 2.
  std::vector<std::pair<std::string, std::size_t>> keys;
  for (std::size_t i = 0; i < weights.tensors.size(); ++i) keys.emplace_back(std::to_string(i), i);
  std::sort(keys.begin(), keys.end());
  for (const auto& [key, i] : keys) {
    const ExportTensor& tensor = weights.tensors[i];
    zip.add("archive/data/" + key, tensor.bytes(),
            [&](const ZipWriter::Take& take) { stream(weights, tensor, take); });
  }
  zip.add("archive/version", "3\n");
  zip.finish();
  file.commit();
}

}  // namespace qcface::exports
