#include "core/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

namespace qcface {
namespace {

constexpr std::uint32_t kEscapeBegin = 0xEF80, kEscapeEnd = 0xF000;  // private use

bool is_escape(std::string_view sequence) {
  if (sequence.size() != 3) return false;
  const std::uint32_t c = code_point(sequence);
  return c >= kEscapeBegin && c < kEscapeEnd;
}

}  // namespace

std::uint32_t code_point(std::string_view sequence) {
  const auto lead = static_cast<unsigned char>(sequence[0]);
  if (sequence.size() == 1) return lead;
  std::uint32_t value = lead & (0x7Fu >> sequence.size());
  for (const char c : sequence.substr(1)) value = (value << 6) | (static_cast<unsigned char>(c) & 0x3Fu);
  return value;
}

void append_utf8(std::string& out, std::uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | ((c >> 18) & 0x07));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

std::size_t utf8_length(std::string_view bytes) {
  if (bytes.empty()) return 0;
  const auto lead = static_cast<unsigned char>(bytes[0]);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xF8 ? 0 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;
  if (length == 0 || bytes.size() < length) return 0;
  for (const char c : bytes.substr(1, length - 1)) {
    if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) return 0;
  }
  const std::uint32_t value = code_point(bytes.substr(0, length));
  const bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
  const bool surrogate = value >= 0xD800 && value < 0xE000;
  return overlong || surrogate || value > 0x10FFFF ? 0 : length;
}

std::string to_json_text(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const std::size_t length = utf8_length(bytes);
    if (length > 0 && !is_escape(bytes.substr(0, length))) {
      out += bytes.substr(0, length);
      bytes.remove_prefix(length);
    } else {
      append_utf8(out, 0xEF00u | static_cast<unsigned char>(bytes[0]));  // 0x80 or more: ASCII is UTF-8
      bytes.remove_prefix(1);
    }
  }
  return out;
}

std::string from_json_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = std::max<std::size_t>(utf8_length(text), 1);
    const std::string_view sequence = text.substr(0, length);
    if (is_escape(sequence)) {
      out += static_cast<char>(code_point(sequence) & 0xFF);
    } else {
      out += sequence;
    }
    text.remove_prefix(length);
  }
  return out;
}

std::string printable(std::string_view bytes, std::size_t limit) {
  std::string out;
  std::string_view rest = bytes.substr(0, limit);
  while (!rest.empty()) {
    const std::size_t length = utf8_length(rest);
    const auto lead = static_cast<unsigned char>(rest[0]);
    const bool c1_control = length == 2 && lead == 0xC2 && static_cast<unsigned char>(rest[1]) < 0xA0;
    if (lead == '\n') {
      out += "\\n";
    } else if (lead == '\t') {
      out += "\\t";
    } else if (lead == '\\') {
      out += "\\\\";
    } else if (length == 0 || lead < 0x20 || lead == 0x7F) {
      out += fmt::format("\\x{:02x}", lead);
    } else if (c1_control) {
      out += fmt::format("\\x{:02x}\\x{:02x}", lead, static_cast<unsigned char>(rest[1]));
    } else {
      out += rest.substr(0, length);
    }
    rest.remove_prefix(std::max<std::size_t>(length, 1));
  }
  if (bytes.size() > limit) out += fmt::format(" ... ({} bytes)", bytes.size());
  return out;
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted.push_back('"');
    quoted.push_back(c);
  }
  return quoted + "\"";
}

}  // namespace qcface
