#include "core/tensors/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string_view>
#include <utility>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json.h"
#include "core/text.h"

namespace qcface {
namespace {

constexpr std::array kDtypes{Dtype::kF64, Dtype::kF32, Dtype::kF16, Dtype::kBF16, Dtype::kI64, Dtype::kI32,
                             Dtype::kI16, Dtype::kI8,  Dtype::kU8,  Dtype::kBool, Dtype::kU32, Dtype::kU64};

// The format's reference reader refuses larger headers; so does this one.
constexpr std::uint64_t kLargestHeader = 100'000'000;

nlohmann::json parse_header(const std::string& path, std::string_view text) {
  try {
    return parse_json(text);
  } catch (const Error& error) {
    fail("{}: header at byte 8 is malformed: {}", path, error.what());
  }
}

TensorView parse_tensor(const MappedFile& file, const std::string& tensor, const nlohmann::json& item,
                        std::uint64_t data_start) {
  const std::string& path = file.path;
  const std::string name = printable(tensor, 200);  // for messages
  TensorView view;
  view.name = tensor;
  const auto& dtype = item.at("dtype").get_ref<const std::string&>();
  const auto known =
      std::find_if(kDtypes.begin(), kDtypes.end(), [&](Dtype d) { return dtype == name_of(d); });
  require(known != kDtypes.end(), "{}: tensor {}: unknown type {}", path, name, printable(dtype, 40));
  view.dtype = *known;
  std::uint64_t expected = size_of(view.dtype);
  std::uint64_t extents = expected;  // those that are not zero: a zero among them must not hide an overflow
  const auto& shape = item.at("shape");
  require(shape.is_array() && shape.size() <= kMostExtents,
          "{}: tensor {}: its shape must be a list of at most {} extents", path, name, kMostExtents);
  for (const auto& extent : shape) {
    require(extent.is_number_unsigned(), "{}: tensor {}: an extent is not a non-negative integer", path,
            name);
    const auto value = extent.get<std::uint64_t>();
    require(value <= INT64_MAX && (value == 0 || extents <= INT64_MAX / value),
            "{}: tensor {}: shape overflows", path, name);
    extents *= std::max<std::uint64_t>(value, 1);
    expected *= value;
    view.shape.push_back(static_cast<std::int64_t>(value));
  }
  const auto& offsets = item.at("data_offsets");
  require(offsets.is_array() && offsets.size() == 2 && offsets[0].is_number_unsigned() &&
              offsets[1].is_number_unsigned(),
          "{}: tensor {}: data_offsets must be two non-negative integers", path, name);
  const auto begin = offsets[0].get<std::uint64_t>();
  const auto end = offsets[1].get<std::uint64_t>();
  const std::uint64_t data_bytes = file.bytes.size() - data_start;
  require(begin <= end && end <= data_bytes,
          "{}: tensor {}: data_offsets [{}, {}] reach past the {} data bytes that start at byte {}; the file "
          "is truncated "
          "or damaged",
          path, name, begin, end, data_bytes, data_start);
  require(end - begin == expected, "{}: tensor {}: {} bytes at offset {}, but its shape and type need {}",
          path, name, end - begin, data_start + begin, expected);
  view.data = file.bytes.data() + data_start + begin;
  view.bytes = static_cast<std::size_t>(end - begin);
  return view;
}

}  // namespace

bool is_safetensors(std::span<const std::byte> bytes) {
  return bytes.size() > 8 && bytes[8] == std::byte{'{'};
}

TensorSource read_safetensors(const MappedFile& file) {
  static_assert(std::endian::native == std::endian::little, "the format is little-endian");
  const std::string& path = file.path;
  const std::size_t bytes = file.bytes.size();
  require(bytes >= 8, "{}: not a safetensors file: shorter than the 8-byte header length", path);
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, file.bytes.data(), sizeof header_bytes);
  require(
      header_bytes <= std::min<std::uint64_t>(bytes - 8, kLargestHeader),
      "{}: header length {} at byte 0 does not fit a file of {} bytes; not a safetensors file, or truncated",
      path, header_bytes, bytes);
  const std::uint64_t data_start = 8 + header_bytes;
  std::vector<TensorView> tensors;
  std::map<std::string, std::string> metadata;
  try {
    const auto header =
        parse_header(path, {reinterpret_cast<const char*>(file.bytes.data()) + 8, header_bytes});
    require(header.is_object(), "{}: header at byte 8 is not a JSON object", path);
    for (const auto& [name, item] : header.items()) {
      if (name == "__metadata__") {
        metadata = item.get<std::map<std::string, std::string>>();
      } else {
        tensors.push_back(parse_tensor(file, name, item, data_start));
      }
    }
  } catch (const nlohmann::json::exception& error) {
    fail("{}: header at byte 8 is malformed: {}", path, json_problem(error));
  }
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const auto& a, const auto& b) { return a.data < b.data; });
  return TensorSource(path, std::move(tensors), std::move(metadata), file.memory);
}

void write_safetensors(const std::filesystem::path& path, std::span<const SafeTensorOut> tensors,
                       const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  std::vector<std::uint64_t> sizes;
  for (const SafeTensorOut& tensor : tensors) {
    std::uint64_t size = size_of(tensor.dtype);
    for (const std::int64_t extent : tensor.shape) size *= static_cast<std::uint64_t>(extent);
    require(!header.contains(tensor.name), "{}: tensor {} given twice", path.string(), tensor.name);
    header[tensor.name] = {
        {"dtype", name_of(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {offset, offset + size}}};
    sizes.push_back(size);
    offset += size;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // data starts 8-byte aligned
  const std::uint64_t header_bytes = text.size();
  AtomicFile file(path);
  file.write(&header_bytes, sizeof header_bytes);
  file.write(text);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].stream == nullptr) {
      file.write(tensors[i].data, sizes[i]);
      continue;
    }
    std::uint64_t written = 0;
    tensors[i].stream([&](std::span<const std::byte> block) {
      file.write(block.data(), block.size());
      written += block.size();
    });
    require(written == sizes[i], "{}: tensor {} gave {} bytes, expected {}", path.string(), tensors[i].name,
            written, sizes[i]);
  }
  file.commit();
}

}  // namespace qcface
