// 64-bit FNV-1a, for telling lists and files apart: no defence against anybody who wants two of them to look alike.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace qcface {

class Fnv1a {
 public:
  void add(std::string_view bytes) {
    for (const char c : bytes) add(static_cast<unsigned char>(c));
  }
  void add(const void* data, std::size_t bytes) { add({static_cast<const char*>(data), bytes}); }
  void add(unsigned char byte) { value_ = (value_ ^ byte) * 0x100000001b3u; }
  /// 16 hexadecimal digits.
  std::string hex() const { return fmt::format("{:016x}", value_); }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325u;
};

}  // namespace qcface
