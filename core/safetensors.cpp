#include "core/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <unordered_map>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json.h"
#include "core/open_file.h"
#include "core/text.h"

namespace qcface {
namespace {

struct DtypeName {
  SafeDtype dtype;
  const char* name;
  std::size_t bytes;
};
constexpr std::array<DtypeName, 12> kDtypes{{{SafeDtype::kF64, "F64", 8},
                                             {SafeDtype::kF32, "F32", 4},
                                             {SafeDtype::kF16, "F16", 2},
                                             {SafeDtype::kBF16, "BF16", 2},
                                             {SafeDtype::kI64, "I64", 8},
                                             {SafeDtype::kI32, "I32", 4},
                                             {SafeDtype::kI16, "I16", 2},
                                             {SafeDtype::kI8, "I8", 1},
                                             {SafeDtype::kU8, "U8", 1},
                                             {SafeDtype::kBool, "BOOL", 1},
                                             {SafeDtype::kU32, "U32", 4},
                                             {SafeDtype::kU64, "U64", 8}}};

const DtypeName& entry(SafeDtype dtype) { return kDtypes[static_cast<std::size_t>(dtype)]; }

// The format's reference reader refuses larger headers; so does this one.
constexpr std::uint64_t kLargestHeader = 100'000'000;
constexpr std::size_t kMostExtents = 64;  // as in NumPy and PyTorch

nlohmann::json parse_header(const std::string& path, std::string_view text) {
  try {
    return parse_json(text);
  } catch (const Error& error) {
    fail("{}: header at byte 8 is malformed: {}", path, error.what());
  }
}

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

}  // namespace

std::size_t size_of(SafeDtype dtype) { return entry(dtype).bytes; }
const char* name_of(SafeDtype dtype) { return entry(dtype).name; }

std::int64_t SafeTensorView::elements() const {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) count *= extent;
  return count;
}

std::vector<float> SafeTensorView::to_float() const {
  std::vector<float> values(static_cast<std::size_t>(elements()));
  to_float(0, values);
  return values;
}

void SafeTensorView::to_float(std::int64_t first, std::span<float> values) const {
  const std::byte* start = data + static_cast<std::size_t>(first) * size_of(dtype);
  const auto load = [start](std::size_t i, auto zero) {
    std::memcpy(&zero, start + i * sizeof zero, sizeof zero);  // tensors may start at any byte
    return zero;
  };
  switch (dtype) {
    case SafeDtype::kF32:
      if (!values.empty()) std::memcpy(values.data(), start, values.size_bytes());
      break;
    case SafeDtype::kF64:
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(load(i, double{}));
      break;
    case SafeDtype::kF16:
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = half_to_float(load(i, std::uint16_t{}));
      break;
    case SafeDtype::kBF16:
      for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = std::bit_cast<float>(static_cast<std::uint32_t>(load(i, std::uint16_t{})) << 16);
      }
      break;
    default:
      fail("tensor {}: type {} where a floating-point type is expected", printable(name, 200),
           name_of(dtype));
  }
}

struct SafeTensorsFile::Impl {
  std::string path;
  const std::byte* base = nullptr;
  std::size_t bytes = 0;
  std::vector<SafeTensorView> tensors;
  std::unordered_map<std::string, std::size_t> index;
  std::map<std::string, std::string> metadata;

  ~Impl() {
    if (base) ::munmap(const_cast<std::byte*>(base), bytes);
  }
  void map();
  void parse();
  SafeTensorView parse_tensor(const std::string& name, const nlohmann::json& item,
                              std::uint64_t data_start) const;
};

void SafeTensorsFile::Impl::map() {
  const int fd = open_regular(path);
  struct stat status {};
  const bool usable = ::fstat(fd, &status) == 0 && status.st_size >= 8;
  void* address = MAP_FAILED;
  if (usable) {
    bytes = static_cast<std::size_t>(status.st_size);
    address = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
  }
  ::close(fd);
  require(usable, "{}: not a safetensors file: shorter than the 8-byte header length", path);
  require(address != MAP_FAILED, "{}: cannot be mapped: {}", path, std::strerror(errno));
  base = static_cast<const std::byte*>(address);
}

SafeTensorView SafeTensorsFile::Impl::parse_tensor(const std::string& tensor, const nlohmann::json& item,
                                                   std::uint64_t data_start) const {
  const std::string name = printable(tensor, 200);  // for messages
  SafeTensorView view;
  view.name = tensor;
  const auto& dtype = item.at("dtype").get_ref<const std::string&>();
  const auto known =
      std::find_if(kDtypes.begin(), kDtypes.end(), [&](const DtypeName& d) { return dtype == d.name; });
  require(known != kDtypes.end(), "{}: tensor {}: unknown type {}", path, name, printable(dtype, 40));
  view.dtype = known->dtype;
  std::uint64_t expected = known->bytes;
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
  require(begin <= end && end <= bytes - data_start,
          "{}: tensor {}: data_offsets [{}, {}] reach past the {} data bytes that start at byte {}; the file "
          "is truncated "
          "or damaged",
          path, name, begin, end, bytes - data_start, data_start);
  require(end - begin == expected, "{}: tensor {}: {} bytes at offset {}, but its shape and type need {}",
          path, name, end - begin, data_start + begin, expected);
  view.data = base + data_start + begin;
  view.bytes = static_cast<std::size_t>(end - begin);
  return view;
}

void SafeTensorsFile::Impl::parse() {
  static_assert(std::endian::native == std::endian::little, "the format is little-endian");
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, base, sizeof header_bytes);
  require(
      header_bytes <= std::min<std::uint64_t>(bytes - 8, kLargestHeader),
      "{}: header length {} at byte 0 does not fit a file of {} bytes; not a safetensors file, or truncated",
      path, header_bytes, bytes);
  const std::uint64_t data_start = 8 + header_bytes;
  const char* text = reinterpret_cast<const char*>(base) + 8;
  try {
    const auto header = parse_header(path, {text, header_bytes});
    require(header.is_object(), "{}: header at byte 8 is not a JSON object", path);
    for (const auto& [name, item] : header.items()) {
      if (name == "__metadata__") {
        metadata = item.get<std::map<std::string, std::string>>();
      } else {
        tensors.push_back(parse_tensor(name, item, data_start));
      }
    }
  } catch (const nlohmann::json::exception& error) {
    fail("{}: header at byte 8 is malformed: {}", path, json_problem(error));
  }
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const auto& a, const auto& b) { return a.data < b.data; });
  for (std::size_t i = 0; i < tensors.size(); ++i) index.emplace(tensors[i].name, i);
}

SafeTensorsFile::SafeTensorsFile(const std::filesystem::path& path) : impl_(std::make_unique<Impl>()) {
  impl_->path = path.string();
  impl_->map();
  impl_->parse();
}
SafeTensorsFile::~SafeTensorsFile() = default;
SafeTensorsFile::SafeTensorsFile(SafeTensorsFile&&) noexcept = default;
SafeTensorsFile& SafeTensorsFile::operator=(SafeTensorsFile&&) noexcept = default;

const std::vector<SafeTensorView>& SafeTensorsFile::tensors() const { return impl_->tensors; }
const std::map<std::string, std::string>& SafeTensorsFile::metadata() const { return impl_->metadata; }
const SafeTensorView* SafeTensorsFile::find(const std::string& name) const {
  const auto found = impl_->index.find(name);
  return found == impl_->index.end() ? nullptr : &impl_->tensors[found->second];
}
const SafeTensorView& SafeTensorsFile::at(const std::string& name) const {
  const SafeTensorView* view = find(name);
  require(view != nullptr, "{}: holds no tensor named {}", impl_->path, name);
  return *view;
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
  for (std::size_t i = 0; i < tensors.size(); ++i) file.write(tensors[i].data, sizes[i]);
  file.commit();
}

}  // namespace qcface
