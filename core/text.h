// Names as bytes. A path on Linux is any string of bytes; JSON is UTF-8 and a terminal obeys control characters, so both
// need a form of it that is safe, and JSON one that gives the bytes back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace qcface {

/// UTF-8 for JSON: bytes that are not UTF-8 become U+EF80 to U+EFFF (the byte in the low eight bits), and so do the bytes
/// of those characters themselves; from_json_text() gives exactly `bytes` back.
std::string to_json_text(std::string_view bytes);
std::string from_json_text(std::string_view text);

/// For people: control characters and bytes that are not UTF-8 as \n, \t, \\ or \xHH; at most `limit` bytes of the input, then
/// " ... (N bytes)". A foreign file's names cannot move the cursor or fill the screen.
std::string printable(std::string_view bytes, std::size_t limit = 4096);
/// The limit for a name or row out of somebody's list, of which a message shows enough to find it.
inline constexpr std::size_t kPrintedBytes = 300;

/// A field of a CSV row as it stands in the file, quoted where RFC 4180 says so.
std::string csv_field(const std::string& text);

/// The code point of a valid sequence, and the sequence of a code point (U+0000 to U+10FFFF) put behind `out`.
std::uint32_t code_point(std::string_view sequence);
void append_utf8(std::string& out, std::uint32_t code_point);
/// Length of the valid UTF-8 sequence (no surrogate, nothing overlong) at the start of `bytes`; 0 if there is none.
std::size_t utf8_length(std::string_view bytes);

}  // namespace qcface
