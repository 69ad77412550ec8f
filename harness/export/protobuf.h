// Protocol Buffers on the wire (https://protobuf.dev/programming-guides/encoding): what the few messages of an ONNX file
// need. A message is a string of fields; a message inside another is a field with a length in front.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace qcface::exports {

class Message {
 public:
  Message& integer(int field, std::int64_t value) {
    tag(field, 0);
    varint(static_cast<std::uint64_t>(value));
    return *this;
  }
  Message& real(int field, float value) {
    tag(field, 5);
    const auto bits = std::bit_cast<std::uint32_t>(value);
    for (int shift = 0; shift < 32; shift += 8) bytes_ += static_cast<char>(bits >> shift);
    return *this;
  }
  Message& text(int field, std::string_view value) {
    begin(field, value.size());
    bytes_ += value;
    return *this;
  }
  Message& message(int field, const Message& value) { return text(field, value.bytes_); }
  /// Tag and length of a field whose `size` bytes are written elsewhere, right behind.
  Message& begin(int field, std::uint64_t size) {
    tag(field, 2);
    varint(size);
    return *this;
  }
  /// Bytes that are fields already.
  Message& raw(std::string_view fields) {
    bytes_ += fields;
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void tag(int field, int type) {
    varint(static_cast<std::uint64_t>(field) << 3 | static_cast<unsigned>(type));
  }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

}  // namespace qcface::exports
