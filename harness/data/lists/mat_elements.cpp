#include "harness/data/lists/mat_elements.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <string_view>

#include "core/error.h"
#include "core/text.h"

namespace qcface::data::mat {
namespace {

static_assert(std::endian::native == std::endian::little, "MAT-files are read little-endian");

constexpr std::size_t kHeader = 128, kTag = 8;
constexpr std::uint32_t kOpaque =
    17;  // objects of newer MATLAB: their element has neither extents nor this kind of name

std::uint32_t u32(Bytes bytes, std::size_t at) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

std::string_view text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// A zlib stream; memory grows with what comes out of it.
std::vector<std::byte> unpack(const Place& place, const Element& element, std::size_t most) {
  struct Stream : z_stream {
    Stream() : z_stream{} {}
    ~Stream() { ::inflateEnd(this); }
  } stream;
  require(::inflateInit(&stream) == Z_OK, "{}: not enough memory to unpack it", place.file);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(element.data.data()));
  stream.avail_in = static_cast<uInt>(element.data.size());
  std::vector<std::byte> out;
  std::array<std::byte, 1 << 14> block;
  for (int status = Z_OK; status != Z_STREAM_END;) {
    stream.next_out = reinterpret_cast<Bytef*>(block.data());
    stream.avail_out = block.size();
    status = ::inflate(&stream, Z_NO_FLUSH);
    require(status == Z_OK || status == Z_STREAM_END, "{}: the compressed element is damaged or cut ({})",
            place.at(element.data_at + element.data.size() - stream.avail_in),
            stream.msg != nullptr ? stream.msg : "it ends early");
    const std::size_t got = block.size() - stream.avail_out;
    require(got <= most - out.size(),
            "{}: its compressed variables hold more than {} MiB, which is more than this "
            "program reads",
            place.at(element.at), kMostUnpacked >> 20);
    out.insert(out.end(), block.begin(), block.begin() + static_cast<std::ptrdiff_t>(got));
  }
  return out;
}

void check_header(const std::string& path, Bytes file) {
  const std::string_view text = text_of(file);
  require(is_mat(file),
          "{}: byte 0: not a MAT-file of version 5 (its first 128 bytes end in a version and IM); save it "
          "with -v6 or -v7",
          path);
  require(!text.starts_with("\x89HDF") && file[125] != std::byte{2},
          "{}: byte 124: this is an HDF5 file (MAT-file of version 7.3), which is not read; save it with -v7",
          path);
  require(text.substr(126, 2) == "IM",
          "{}: byte 126: big-endian, expected little-endian (IM); save it anew with -v7", path);
  require(file[124] == std::byte{0} && file[125] == std::byte{1},
          "{}: byte 124: version {:#06x} where 0x0100 is expected", path, u32(file, 124) & 0xFFFF);
}

}  // namespace

std::size_t size_of(std::uint32_t type) {
  switch (type) {
    case kI8:
    case kU8:
    case kUtf8:
      return 1;
    case kI16:
    case kU16:
    case kUtf16:
      return 2;
    case kI32:
    case kU32:
    case kF32:
      return 4;
    case kF64:
    case kI64:
    case kU64:
      return 8;
    default:
      return 0;
  }
}

const char* name_of_class(std::uint32_t matrix_class) {
  static constexpr const char* kNames[] = {"?",      "cell",   "struct", "object", "char",     "sparse",
                                           "double", "single", "int8",   "uint8",  "int16",    "uint16",
                                           "int32",  "uint32", "int64",  "uint64", "function", "opaque"};
  return kNames[matrix_class < std::size(kNames) ? matrix_class : 0];
}

std::string Place::at(std::size_t byte) const { return fmt::format("{}: byte {}{}", file, byte, inside); }

Element Elements::next() {
  Element element;
  element.at = at();
  require(bytes_.size() - at_ >= kTag, "{}: {} bytes where an element begins, which takes 8",
          place_->at(at()), bytes_.size() - at_);
  const std::uint32_t word = u32(bytes_, at_);
  const bool is_small = (word >> 16) != 0;
  const std::size_t size = is_small ? word >> 16 : u32(bytes_, at_ + 4);
  element.type = is_small ? word & 0xFFFF : word;
  element.data_at = at() + (is_small ? 4 : kTag);
  require(!is_small || size <= 4, "{}: an element of the small form with {} bytes, where 4 have room",
          place_->at(at()), size);
  if (is_small) {
    element.data = bytes_.subspan(at_ + 4, size);
    at_ += kTag;
    return element;
  }
  at_ += kTag;
  const std::size_t left = bytes_.size() - at_,
                    padded = element.type == kCompressed ? size : (size + 7) / 8 * 8;
  require(padded <= left, "{}: an element of {} bytes where {} are left", place_->at(element.at), size, left);
  element.data = bytes_.subspan(at_, size);
  at_ += padded;
  return element;
}

std::size_t Matrix::elements() const {
  std::size_t count = 1;
  for (const std::int32_t extent : dims) {
    const auto value = static_cast<std::size_t>(extent);
    if (value != 0 && count > std::numeric_limits<std::size_t>::max() / value)
      return std::numeric_limits<std::size_t>::max();
    count *= value;
  }
  return count;
}

Matrix read_head(const Place& place, const Element& element, Elements& rest) {
  constexpr std::size_t kMostExtents = 32, kLongestName = 255;
  require(element.type == kMatrix, "{}: element type {} where a matrix (14) is expected",
          place.at(element.at), element.type);
  Matrix matrix;
  matrix.at = element.at;
  const Element flags = rest.next();
  require(flags.type == kU32 && flags.data.size() == 8,
          "{}: the flags of a matrix are two u32, found {} bytes of type {}", place.at(flags.at),
          flags.data.size(), flags.type);
  matrix.matrix_class = u32(flags.data, 0) & 0xFF;
  matrix.complex = (u32(flags.data, 0) & 0x800) != 0;
  if (matrix.matrix_class == kOpaque) return matrix;
  const Element dims = rest.next();
  require(dims.type == kI32 && dims.data.size() % 4 == 0 && dims.data.size() >= 8 &&
              dims.data.size() <= 4 * kMostExtents,
          "{}: the extents of a matrix are 2 to {} i32, found {} bytes of type {}", place.at(dims.at),
          kMostExtents, dims.data.size(), dims.type);
  for (std::size_t i = 0; i < dims.data.size(); i += 4) {
    matrix.dims.push_back(static_cast<std::int32_t>(u32(dims.data, i)));
    require(matrix.dims.back() >= 0, "{}: an extent of {}", place.at(dims.data_at + i), matrix.dims.back());
  }
  const Element name = rest.next();
  require(name.type == kI8 && name.data.size() <= kLongestName,
          "{}: the name of a matrix is at most {} characters, found {} bytes of type {}", place.at(name.at),
          kLongestName, name.data.size(), name.type);
  matrix.name = text_of(name.data);
  return matrix;
}

bool is_mat(Bytes file) {
  if (file.size() < kHeader) return false;
  const std::string_view text = text_of(file), order = text.substr(126, 2);
  return order == "IM" || order == "MI" ||
         (text.starts_with("MATLAB ") && text.substr(124, 2) == std::string_view("\0\2", 2));
}

std::vector<Variable> read_variables(const std::string& path, Bytes file) {
  check_header(path, file);
  std::vector<Variable> variables;
  const Place outside{path, ""};
  std::size_t left = kMostUnpacked;
  for (Elements elements(outside, file.subspan(kHeader), kHeader); elements.more();) {
    Element element = elements.next();
    Variable variable;
    variable.place = outside;
    if (element.type == kCompressed) {
      variable.memory = unpack(outside, element, left);
      left -= variable.memory.size();
      variable.place.inside = fmt::format(" of what is compressed at byte {}", element.at);
      Elements inner(variable.place, variable.memory, 0);
      element = inner.next();
      require(!inner.more(), "{}: more than the one element of a compressed one",
              variable.place.at(inner.at()));
    }
    variable.matrix = element;
    Elements rest(variable.place, element.data, element.data_at);
    variable.head = read_head(variable.place, element, rest);
    variables.push_back(std::move(variable));
  }
  return variables;
}

}  // namespace qcface::data::mat
