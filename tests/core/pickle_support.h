// Pickles and archives put together byte by byte.
#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/open_file.h"

namespace qcface::test {

inline std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

/// A number, little-endian.
template <class T>
std::string number(T value) {
  std::string text(sizeof value, '\0');
  std::memcpy(text.data(), &value, sizeof value);
  return text;
}
/// BINUNICODE.
inline std::string text_opcode(const std::string& text) {
  return "X" + number(static_cast<std::uint32_t>(text.size())) + text;
}
/// BININT, or LONG1 where it does not fit.
inline std::string int_opcode(std::int64_t value) {
  if (value == static_cast<std::int32_t>(value)) return "J" + number(static_cast<std::int32_t>(value));
  return "\x8a\x08" + number(value);
}
inline std::string tuple_opcode(const std::vector<std::int64_t>& values) {
  std::string text = "(";
  for (const std::int64_t value : values) text += int_opcode(value);
  return text + "t";
}
inline std::string pickle(const std::string& body) { return "\x80\x02" + body + "."; }

/// _rebuild_tensor_v2 of a storage "0" of float32, or of another class.
struct TensorOpcodes {
  std::vector<std::int64_t> size, stride;
  std::int64_t first = 0, elements = 4;
  std::string key = "0", storage_class = "FloatStorage", view = {};
  std::string text() const {
    return "ctorch._utils\n_rebuild_tensor_v2\n((" + text_opcode("storage") + "ctorch\n" + storage_class +
           "\n" + text_opcode(key) + text_opcode("cpu") + int_opcode(elements) + view + "tQ" +
           int_opcode(first) + tuple_opcode(size) + tuple_opcode(stride) + "\x89)tR";
  }
};
/// {"state_dict": {name: value, ...}} as the body of a pickle.
inline std::string state_dict(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string text = "}" + text_opcode("state_dict") + "}(";
  for (const auto& [name, value] : entries) text += text_opcode(name) + value;
  return text + "us";
}

struct ZipFile {
  std::string name, data;
  std::uint16_t method = 0, flags = 8;
  std::size_t local_extra = 7;       // bytes, so that the data begin where only the local header says
  std::uint32_t claimed_bytes = 0;   // of the directory; 0: the true ones
  std::int64_t claimed_offset = -1;  // of the local header
  std::string local_name = {};       // another one
  std::string extra = {};            // in the directory
  std::uint32_t crc_error = 0;
};

/// An archive as PyTorch writes it: sizes stand in the directory alone.
inline std::string zip_of(const std::vector<ZipFile>& files) {
  const auto u16 = [](std::size_t value) { return number(static_cast<std::uint16_t>(value)); };
  const auto u32 = [](std::size_t value) { return number(static_cast<std::uint32_t>(value)); };
  std::string text, directory;
  for (const ZipFile& file : files) {
    const std::size_t offset = text.size();
    const std::string& local_name = file.local_name.empty() ? file.name : file.local_name;
    text += "PK\x03\x04" + u16(20) + u16(file.flags) + u16(file.method) + u32(0) + u32(0) + u32(0) + u32(0) +
            u16(local_name.size()) + u16(file.local_extra) + local_name + std::string(file.local_extra, 'x') +
            file.data;
    const auto crc = static_cast<std::uint32_t>(
        ::crc32(0, reinterpret_cast<const Bytef*>(file.data.data()), static_cast<uInt>(file.data.size())));
    const std::uint32_t bytes =
        file.claimed_bytes != 0 ? file.claimed_bytes : static_cast<std::uint32_t>(file.data.size());
    directory += "PK\x01\x02" + u16(20) + u16(20) + u16(file.flags) + u16(file.method) + u32(0) +
                 number(crc ^ file.crc_error) + number(bytes) + number(bytes) + u16(file.name.size()) +
                 u16(file.extra.size()) + u16(0) + u16(0) + u16(0) + u32(0) +
                 number(file.claimed_offset >= 0 ? static_cast<std::uint32_t>(file.claimed_offset)
                                                 : static_cast<std::uint32_t>(offset)) +
                 file.name + file.extra;
  }
  return text + directory + "PK\x05\x06" + u16(0) + u16(0) + u16(files.size()) + u16(files.size()) +
         u32(directory.size()) + u32(text.size()) + u16(0);
}

/// A .pth of one pickle and one storage.
inline std::string pth_of(const std::string& body, const std::string& storage = std::string(16, '\0')) {
  return zip_of({{"a/data.pkl", pickle(body)}, {"a/data/0", storage}, {"a/version", "3\n"}});
}

/// The `text` as a file in memory.
inline MappedFile file_of(const std::string& text, const std::string& name = "memory") {
  return {name, bytes_of(text), nullptr};
}

}  // namespace qcface::test
