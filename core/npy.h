// NPY 1.0 to 3.0: reads f4, f8, i8, i4, u1 and U (UCS-4 text) in C order; object arrays (pickles) are rejected. Names are
// bytes: those that are not UTF-8 are written as Python's surrogateescape does, and come back as they were.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/open_file.h"

namespace qcface {

struct NpyArray {
  std::string dtype;  // "<f4", "<f8", "|u1", "<i8", "<i4" or "<U.."
  std::vector<std::int64_t> shape;
  std::span<const std::byte> data;     // C order, at any address; in the mapped file
  std::shared_ptr<const void> memory;  // owns them
  std::int64_t elements() const;
  std::vector<double> to_double() const;        // any numeric type
  std::vector<std::string> to_strings() const;  // "<U..", as UTF-8; U+DC80.. are bytes
  std::span<const std::uint8_t> as_u8() const;  // requires "|u1"
};

/// Maps the file: nothing is copied, and a header that claims more than is there is refused. Throws Error naming the file and
/// byte offset for anything malformed.
NpyArray read_npy(const std::filesystem::path& path);
/// The same of a file in memory.
NpyArray read_npy(const MappedFile& file);
/// The commit is the caller's.
void write_npy(AtomicFile& file, std::span<const float> data, std::span<const std::int64_t> shape);
void write_npy(AtomicFile& file, std::span<const std::string> names);  // "<U..", 1-d
/// The bytes of a file of "<f8".
std::string npy_text(std::span<const double> data, std::span<const std::int64_t> shape);

}  // namespace qcface
