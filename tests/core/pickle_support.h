// Pickles and archives put together byte by byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

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
/// BININT.
inline std::string int_opcode(std::int32_t value) { return "J" + number(value); }
inline std::string pickle(const std::string& body) { return "\x80\x02" + body + "."; }

/// The `text` as a file in memory.
inline MappedFile file_of(const std::string& text, const std::string& name = "memory") {
  return {name, bytes_of(text), nullptr};
}

}  // namespace qcface::test
