#include "core/npy.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/text.h"

namespace qcface {
namespace {

static_assert(std::endian::native == std::endian::little, "NPY files are read and written little-endian");

// The header is the text of a Python dict with three known keys; anything else is refused rather than
// guessed.
class HeaderParser {
 public:
  HeaderParser(const std::string& path, std::string_view text, std::size_t file_offset)
      : path_(path), text_(text), offset_(file_offset) {}

  void parse(NpyArray& array) {
    expect('{');
    bool has_shape = false;
    while (peek() != '}') {
      const std::string key = quoted();
      expect(':');
      if (key == "descr") {
        if (peek() != '\'' && peek() != '"') error("a structured type where a plain one is expected");
        array.dtype = quoted();
      } else if (key == "fortran_order") {
        if (word() != "False") error("Fortran order; save the array in C order");
      } else if (key == "shape") {
        shape(array.shape);
        has_shape = true;
      } else {
        error("an unknown key");
      }
      if (peek() == ',') ++at_;
    }
    if (array.dtype.empty()) error("no descr");
    if (!has_shape) error("no shape");
  }

 private:
  [[noreturn]] void error(const char* what) const {
    fail("{}: NPY header at byte {}: {}", path_, offset_ + at_, what);
  }
  char peek() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
    if (at_ >= text_.size()) error("it ends early");
    return text_[at_];
  }
  void expect(char c) {
    if (peek() != c) error("malformed");
    ++at_;
  }
  std::string quoted() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') error("a quoted text is expected");
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) error("an unfinished text");
    std::string value(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return value;
  }
  std::string word() {
    peek();
    std::string value;
    while (at_ < text_.size() && std::isalpha(static_cast<unsigned char>(text_[at_]))) value += text_[at_++];
    return value;
  }
  void shape(std::vector<std::int64_t>& extents) {
    constexpr int kDigits = 15;  // more than any file holds, far from overflow
    extents.clear();
    expect('(');
    while (peek() != ')') {
      std::int64_t value = 0;
      int digits = 0;
      for (; at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_])); ++at_, ++digits) {
        if (digits == kDigits) error("an extent is too large");
        value = value * 10 + (text_[at_] - '0');
      }
      if (digits == 0) error("an extent is expected");
      extents.push_back(value);
      if (peek() == ',') ++at_;
    }
    ++at_;
  }

  const std::string& path_;
  std::string_view text_;
  std::size_t offset_;
  std::size_t at_ = 0;
};

std::size_t element_bytes(const std::string& path, const std::string& dtype) {
  if (dtype == "<f4" || dtype == "<i4") return 4;
  if (dtype == "<f8" || dtype == "<i8") return 8;
  if (dtype == "|u1" || dtype == "<u1") return 1;
  if (dtype.size() > 2 && dtype.size() < 9 && dtype.starts_with("<U") &&
      std::all_of(dtype.begin() + 2, dtype.end(), [](unsigned char c) { return std::isdigit(c); })) {
    const std::size_t width = std::stoull(dtype.substr(2));
    require(width > 0, "{}: text of width 0 where <U1 or wider is expected", path);
    return 4 * width;
  }
  if (dtype.find('O') != std::string::npos)
    fail("{}: an object array (a pickle); it is not read, it could run code", path);
  fail("{}: element type {} where <f4, <f8, <i4, <i8, |u1 or <U.. is expected", path, printable(dtype, 40));
}

// As Python's surrogateescape: a byte that is not UTF-8 is U+DC00 + byte, so any file name survives and
// os.fsencode() finds the file.
constexpr std::uint32_t kEscape = 0xDC00, kFirstEscaped = 0xDC80, kLastEscaped = 0xDCFF;

std::vector<std::uint32_t> utf8_to_ucs4(std::string_view text) {
  std::vector<std::uint32_t> out;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    out.push_back(length == 0 ? kEscape | static_cast<unsigned char>(text[0])
                              : code_point(text.substr(0, length)));
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

// Everything in front of the data.
std::string head_of(const std::string& dtype, std::span<const std::int64_t> shape) {
  std::string header = "{'descr': '" + dtype + "', 'fortran_order': False, 'shape': (";
  for (const std::int64_t extent : shape) header += std::to_string(extent) + ", ";
  if (shape.size() > 1) header.erase(header.size() - 2);
  if (shape.size() == 1) header.pop_back();
  header += "), }";
  header.append(63 - (10 + header.size()) % 64, ' ');  // data starts on a multiple of 64
  header += '\n';
  std::string head("\x93NUMPY\x01\x00", 8);
  head += static_cast<char>(header.size() & 0xFF);
  head += static_cast<char>(header.size() >> 8);
  return head + header;
}

void write_array(AtomicFile& file, const std::string& dtype, std::span<const std::int64_t> shape,
                 const void* data, std::size_t bytes) {
  file.write(head_of(dtype, shape));
  file.write(data, bytes);
}

}  // namespace

std::int64_t NpyArray::elements() const {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) count *= extent;
  return count;
}

std::vector<double> NpyArray::to_double() const {
  std::vector<double> values(static_cast<std::size_t>(elements()));
  const auto convert = [&](auto sample) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      std::memcpy(&sample, data.data() + i * sizeof sample, sizeof sample);
      values[i] = static_cast<double>(sample);
    }
  };
  if (dtype == "<f4")
    convert(float{});
  else if (dtype == "<f8")
    convert(double{});
  else if (dtype == "<i4")
    convert(std::int32_t{});
  else if (dtype == "<i8")
    convert(std::int64_t{});
  else if (dtype == "|u1" || dtype == "<u1")
    convert(std::uint8_t{});
  else
    fail("NPY array of type {} where numbers are expected", dtype);
  return values;
}

std::vector<std::string> NpyArray::to_strings() const {
  require(dtype.starts_with("<U"), "NPY array of type {} where text (<U..) is expected", dtype);
  const std::size_t width = std::stoull(dtype.substr(2));
  std::vector<std::string> names(static_cast<std::size_t>(elements()));
  for (std::size_t i = 0; i < names.size(); ++i) {
    for (std::size_t k = 0; k < width; ++k) {
      std::uint32_t c = 0;
      std::memcpy(&c, data.data() + (i * width + k) * 4, 4);
      if (c == 0) break;
      if (c >= kFirstEscaped && c <= kLastEscaped) {
        names[i] += static_cast<char>(c & 0xFF);
        continue;
      }
      require(c <= 0x10FFFF && (c < 0xD800 || c >= 0xE000), "NPY text {}: {:#x} is no character", i, c);
      append_utf8(names[i], c);
    }
  }
  return names;
}

std::span<const std::uint8_t> NpyArray::as_u8() const {
  require(dtype == "|u1" || dtype == "<u1", "NPY array of type {} where |u1 is expected", dtype);
  return {reinterpret_cast<const std::uint8_t*>(data.data()), data.size()};
}

NpyArray read_npy(const std::filesystem::path& path) { return read_npy(map_file(path)); }

NpyArray read_npy(const MappedFile& file) {
  const std::string& name = file.path;
  const std::size_t bytes = file.bytes.size();
  const std::string_view text(reinterpret_cast<const char*>(file.bytes.data()), bytes);
  require(bytes >= 10 && text.starts_with("\x93NUMPY"), "{}: byte 0: not an NPY file", name);
  const int major = static_cast<unsigned char>(text[6]);
  require(major >= 1 && major <= 3, "{}: byte 6: NPY version {} where 1 to 3 is expected", name, major);
  const std::size_t start = major == 1 ? 10 : 12;
  require(bytes >= start, "{}: byte 8: the file ends inside the header", name);
  std::size_t header_bytes = 0;
  for (std::size_t i = start; i-- > 8;)
    header_bytes = header_bytes << 8 | static_cast<unsigned char>(text[i]);
  require(header_bytes <= bytes - start, "{}: byte 8: header length {} reaches past the end", name,
          header_bytes);
  NpyArray array;
  HeaderParser(name, text.substr(start, header_bytes), start).parse(array);
  std::size_t expected = element_bytes(name, array.dtype);
  std::size_t extents = expected;  // those that are not zero: a zero among them must not hide an overflow
  for (const std::int64_t extent : array.shape) {
    const auto value = static_cast<std::size_t>(extent);
    require(value == 0 || extents <= INT64_MAX / value, "{}: shape overflows", name);
    extents *= std::max<std::size_t>(value, 1);
    require(value == 0 || expected <= bytes / value, "{}: shape needs more bytes than the file holds", name);
    expected *= value;
  }
  const std::size_t data_start = start + header_bytes;
  require(bytes - data_start >= expected, "{}: byte {}: {} data bytes where {} are expected", name,
          data_start, bytes - data_start, expected);
  array.data = file.bytes.subspan(data_start, expected);
  array.memory = file.memory;
  return array;
}

void write_npy(AtomicFile& file, std::span<const float> data, std::span<const std::int64_t> shape) {
  write_array(file, "<f4", shape, data.data(), data.size_bytes());
}

std::string npy_text(std::span<const double> data, std::span<const std::int64_t> shape) {
  std::string text = head_of("<f8", shape);
  text.append(reinterpret_cast<const char*>(data.data()), data.size_bytes());
  return text;
}

void write_npy(AtomicFile& file, std::span<const std::string> names) {
  std::size_t width = 1;
  std::vector<std::vector<std::uint32_t>> texts;
  for (const std::string& name : names) {
    texts.push_back(utf8_to_ucs4(name));
    width = std::max(width, texts.back().size());
  }
  std::vector<std::uint32_t> data(names.size() * width, 0);
  for (std::size_t i = 0; i < texts.size(); ++i)
    std::copy(texts[i].begin(), texts[i].end(), data.begin() + static_cast<std::ptrdiff_t>(i * width));
  const std::int64_t shape[] = {static_cast<std::int64_t>(names.size())};
  write_array(file, "<U" + std::to_string(width), shape, data.data(), data.size() * 4);
}

}  // namespace qcface
