#include "core/tensors/source.h"

#include <array>
#include <bit>
#include <cctype>
#include <cstring>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/open_file.h"
#include "core/tensors/pytorch.h"
#include "core/tensors/safetensors.h"
#include "core/tensors/sharded.h"
#include "core/text.h"

namespace qcface {
namespace {

struct DtypeFacts {
  const char* name;
  std::size_t bytes;
};
constexpr std::array<DtypeFacts, 12> kDtypeFacts{{{"F64", 8},
                                                  {"F32", 4},
                                                  {"F16", 2},
                                                  {"BF16", 2},
                                                  {"I64", 8},
                                                  {"I32", 4},
                                                  {"I16", 2},
                                                  {"I8", 1},
                                                  {"U8", 1},
                                                  {"BOOL", 1},
                                                  {"U32", 4},
                                                  {"U64", 8}}};

float half_to_float(std::uint16_t h) {
  const std::uint32_t sign = static_cast<std::uint32_t>(h & 0x8000u) << 16;
  const int exponent = (h >> 10) & 0x1F;
  const std::uint32_t fraction = h & 0x3FFu;
  if (exponent == 0) {  // zero or subnormal: value = fraction * 2^-24
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | sign);
  }
  const std::uint32_t bits = exponent == 31
                                 ? 0x7F800000u | (fraction << 13)
                                 : (static_cast<std::uint32_t>(exponent + 112) << 23) | (fraction << 13);
  return std::bit_cast<float>(bits | sign);
}

// What a file is that is none of ours.
std::string kind_of_content(std::string_view bytes) {
  constexpr std::pair<std::string_view, const char*> kKinds[] = {
      {"\x89HDF", "an HDF5 file"}, {"\x93NUMPY", "a NumPy array"}, {"GGUF", "a GGUF file"}};
  if (bytes.empty()) return "an empty file";
  constexpr std::size_t kTarMagic = 257;
  if (bytes.size() > kTarMagic && bytes.substr(kTarMagic).starts_with("ustar"))
    return "a tar archive, as the oldest versions of PyTorch wrote; load and save it with a newer one";
  for (const auto& [start, kind] : kKinds) {
    if (bytes.starts_with(start)) return kind;
  }
  constexpr std::size_t kShown = 40;
  const std::string_view start = bytes.substr(0, kShown);
  for (const char c : start) {
    if (std::isprint(static_cast<unsigned char>(c)) == 0 && std::isspace(static_cast<unsigned char>(c)) == 0)
      return fmt::format("a file that begins with {}", printable(bytes.substr(0, 8)));
  }
  return fmt::format("text that begins with '{}'", printable(start));
}

}  // namespace

std::size_t size_of(Dtype dtype) { return kDtypeFacts[static_cast<std::size_t>(dtype)].bytes; }
const char* name_of(Dtype dtype) { return kDtypeFacts[static_cast<std::size_t>(dtype)].name; }

std::int64_t TensorView::elements() const {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) count *= extent;
  return count;
}

std::vector<float> TensorView::to_float() const {
  std::vector<float> values(static_cast<std::size_t>(elements()));
  to_float(0, values);
  return values;
}

void TensorView::to_float(std::int64_t first, std::span<float> values) const {
  const std::byte* start = data + static_cast<std::size_t>(first) * size_of(dtype);
  const auto load = [start](std::size_t i, auto zero) {
    std::memcpy(&zero, start + i * sizeof zero, sizeof zero);  // tensors may start at any byte
    return zero;
  };
  switch (dtype) {
    case Dtype::kF32:
      if (!values.empty()) std::memcpy(values.data(), start, values.size_bytes());
      break;
    case Dtype::kF64:
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(load(i, double{}));
      break;
    case Dtype::kF16:
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = half_to_float(load(i, std::uint16_t{}));
      break;
    case Dtype::kBF16:
      for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = std::bit_cast<float>(static_cast<std::uint32_t>(load(i, std::uint16_t{})) << 16);
      }
      break;
    default:
      fail("tensor {}: type {} where a floating-point type is expected", printable(name, 200),
           name_of(dtype));
  }
}

TensorSource::TensorSource(std::string path, std::vector<TensorView> tensors,
                           std::map<std::string, std::string> metadata, std::shared_ptr<const void> memory,
                           std::map<std::string, std::string> refused)
    : path_(std::move(path)),
      tensors_(std::move(tensors)),
      metadata_(std::move(metadata)),
      memory_(std::move(memory)),
      refused_(std::move(refused)) {
  for (std::size_t i = 0; i < tensors_.size(); ++i) index_.emplace(tensors_[i].name, i);
}

const TensorView* TensorSource::find(const std::string& name) const {
  const auto found = index_.find(name);
  if (found != index_.end()) return &tensors_[found->second];
  const auto bad = refused_.find(name);
  if (bad != refused_.end()) fail("{}: tensor {} {}", path_, printable(name, 200), bad->second);
  return nullptr;
}

const TensorView& TensorSource::at(const std::string& name) const {
  const TensorView* view = find(name);
  require(view != nullptr, "{}: holds no tensor named {}", path_, name);
  return *view;
}

TensorSource read_tensors(const MappedFile& file) {
  if (is_safetensors(file.bytes)) return read_safetensors(file);
  if (is_pytorch(file.bytes)) return read_pytorch(file);
  fail("{}: is {}; expected a file of tensors: safetensors, or PyTorch's .pth, .pt, .ckpt", file.path,
       kind_of_content({reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size()}));
}

TensorSource open_tensors(const std::filesystem::path& path) {
  if (const auto index = find_shard_index(path)) return read_shards(*index);
  const MappedFile file = map_file(path);
  return is_shard_index(file.bytes) ? read_shards(path) : read_tensors(file);
}

}  // namespace qcface
