// The outer form of a MAT-file of version 5 (data-formats.md section 8): elements within bounds, compressed ones unpacked,
// the head of each variable. libmatio has a long list of overflows, most of them in its own unpacking and in what it does with
// lengths that it believes; so files are read here, and only what mat_file.cpp has checked to the last length is handed on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace qcface::data::mat {

using Bytes = std::span<const std::byte>;

enum Type : std::uint32_t {
  kI8 = 1,
  kU8 = 2,
  kI16 = 3,
  kU16 = 4,
  kI32 = 5,
  kU32 = 6,
  kF32 = 7,
  kF64 = 9,
  kI64 = 12,
  kU64 = 13,
  kMatrix = 14,
  kCompressed = 15,
  kUtf8 = 16,
  kUtf16 = 17
};
/// Bytes of a number or a character; 0 for anything else.
std::size_t size_of(std::uint32_t type);

enum Class : std::uint32_t { kCell = 1, kChar = 4, kDouble = 6, kFirstNumber = 6, kLastNumber = 15 };
/// "cell", "struct", "object", "char", "sparse", "double", ...
const char* name_of_class(std::uint32_t matrix_class);

/// What is unpacked of one file, all together. A file that claims more is refused.
constexpr std::size_t kMostUnpacked = std::size_t{32} << 20;

/// Where bytes stand, for messages: "x.mat: byte 136", "x.mat: byte 40 of what is compressed at byte 128".
struct Place {
  std::string file;
  std::string inside;  // " of what is compressed at byte 128"
  std::string at(std::size_t byte) const;
};

struct Element {
  std::uint32_t type = 0;
  std::size_t at = 0;  // of its tag
  std::size_t data_at = 0;
  Bytes data;
};

/// Elements one after the other. Throws Error naming file and byte for one that reaches beyond the bytes.
class Elements {
 public:
  /// `first`: the place of bytes[0] in the file, or in what was unpacked.
  Elements(const Place& place, Bytes bytes, std::size_t first)
      : place_(&place), bytes_(bytes), first_(first) {}
  bool more() const { return at_ < bytes_.size(); }
  Element next();
  std::size_t at() const { return first_ + at_; }
  const Place& place() const { return *place_; }

 private:
  const Place* place_;
  Bytes bytes_;
  std::size_t first_, at_ = 0;
};

/// The head of a matrix element; `rest` are the elements behind it. Throws Error.
struct Matrix {
  std::uint32_t matrix_class = 0;
  bool complex = false;
  std::vector<std::int32_t> dims;  // each at least 0
  std::string name;
  std::size_t at = 0;
  /// Product of the extents; more than any file holds where it overflows.
  std::size_t elements() const;
};
Matrix read_head(const Place& place, const Element& element, Elements& rest);

/// A variable of a file and the bytes it stands in, unpacked.
struct Variable {
  Place place;
  Matrix head;
  std::vector<std::byte> memory;  // where it was compressed
  Element matrix;                 // in the file or in `memory`
};

/// Whether a file begins as a MAT-file of version 5 or 7.3 does.
bool is_mat(Bytes file);
/// In file order. Throws Error naming file and byte: no MAT-file, one of another version or byte order, an element that is
/// none, reaches beyond the file, does not unpack, or unpacks to more than kMostUnpacked.
std::vector<Variable> read_variables(const std::string& path, Bytes file);

}  // namespace qcface::data::mat
