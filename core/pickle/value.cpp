#include "core/pickle/value.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/text.h"

namespace qcface::pickle {

Value Value::of_number(Kind kind, std::int64_t value) {
  Value made;
  made.kind_ = kind;
  made.integer_ = value;
  return made;
}

Value Value::of_float(double value) {
  Value made;
  made.kind_ = Kind::kFloat;
  made.real_ = value;
  return made;
}

Value Value::of_slice(Kind kind, std::string_view slice) {
  Value made;
  made.kind_ = kind;
  made.start_ = slice.data();
  made.size_ = slice.size();
  return made;
}

Value Value::of_node(Kind kind, void* node) {
  Value made;
  made.kind_ = kind;
  made.node_ = node;
  return made;
}

std::optional<std::int64_t> Value::integer() const {
  if (kind_ != Kind::kInt && kind_ != Kind::kBool) return std::nullopt;
  return integer_;
}

std::optional<double> Value::real() const {
  if (kind_ != Kind::kFloat) return std::nullopt;
  return real_;
}

std::optional<std::string_view> Value::name() const {
  if (kind_ != Kind::kText && kind_ != Kind::kBytes) return std::nullopt;
  return slice();
}

std::span<const Value> Value::items() const {
  const Sequence* const node = sequence();
  return node == nullptr ? std::span<const Value>() : std::span<const Value>(node->items);
}

std::string Value::describe() const {
  constexpr std::size_t kShown = 60;
  switch (kind_) {
    case Kind::kNone:
      return "None";
    case Kind::kBool:
      return integer_ != 0 ? "True" : "False";
    case Kind::kInt:
      return fmt::format("the number {}", integer_);
    case Kind::kBigInt:
      return "a number of more than 64 bits";
    case Kind::kFloat:
      return fmt::format("the number {}", real_);
    case Kind::kText:
      return fmt::format("the text '{}'", printable(slice(), kShown));
    case Kind::kBytes:
    case Kind::kLatin1:
      return "bytes";
    case Kind::kTuple:
      return fmt::format("a tuple of {}", items().size());
    case Kind::kList:
      return fmt::format("a list of {}", items().size());
    case Kind::kDict:
      return fmt::format("a dict of {}", dict()->entries.size());
    case Kind::kSymbol:
      return fmt::format("the name {}.{}", printable(symbol()->module, kShown),
                         printable(symbol()->name, kShown));
    case Kind::kElementType:
      return "an element type";
    case Kind::kArray:
      return "an array";
    case Kind::kStorage:
      return "a storage";
    case Kind::kTensor:
      return "a tensor";
    case Kind::kOpaque:
      break;
  }
  const Opaque& node = *opaque();
  if (node.maker == nullptr) return fmt::format("an object of foreign code (byte {})", node.offset);
  const std::string maker =
      fmt::format("{}.{}", printable(node.maker->module, kShown), printable(node.maker->name, kShown));
  if (node.problem != nullptr)
    return fmt::format("what {} makes (byte {}), but {}", maker, node.offset, node.problem);
  return fmt::format("what calling {} would make (byte {}), which is never done", maker, node.offset);
}

const Value* Dict::find(std::string_view key) const {
  const auto found = std::find_if(entries.rbegin(), entries.rend(),
                                  [&](const auto& entry) { return entry.first.name() == key; });
  return found == entries.rend() ? nullptr : &found->second;
}

std::size_t size_of(Element element) {
  switch (element) {
    case Element::kF64:
    case Element::kI64:
      return 8;
    case Element::kF32:
    case Element::kI32:
      return 4;
    case Element::kF16:
    case Element::kBF16:
    case Element::kI16:
      return 2;
    case Element::kI8:
    case Element::kU8:
    case Element::kBool:
      return 1;
    case Element::kOther:
      break;
  }
  return 0;
}

std::optional<std::span<const std::byte>> bytes_of(const Value& value, std::vector<std::uint8_t>& buffer) {
  std::string_view text = value.slice();
  if (value.kind() == Kind::kBytes) return std::as_bytes(std::span(text));
  if (value.kind() != Kind::kLatin1) return std::nullopt;
  buffer.clear();
  buffer.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length != 1 && length != 2) return std::nullopt;
    const std::uint32_t c = code_point(text.substr(0, length));
    if (c > 0xFF) return std::nullopt;
    buffer.push_back(static_cast<std::uint8_t>(c));
    text.remove_prefix(length);
  }
  return std::as_bytes(std::span(buffer));
}

std::optional<std::vector<std::int64_t>> open_array(const Array& array, std::vector<std::uint8_t>& buffer,
                                                    std::span<const std::byte>& bytes, const char*& problem) {
  constexpr std::size_t kMostExtents = 64;
  const auto refuse = [&](const char* reason) {
    problem = reason;
    return std::nullopt;
  };
  if (array.type == nullptr || array.shape == nullptr) return refuse("the array was never filled");
  if (array.type->element == Element::kOther || array.type->big_endian)
    return refuse("its elements are not of the types u1, b1, i4, i8, f4, f8 in little-endian order");
  const auto held = bytes_of(array.bytes, buffer);
  if (!held) return refuse("it holds no plain bytes");
  if (array.shape->items.size() > kMostExtents) return refuse("it has more than 64 extents");
  std::vector<std::int64_t> shape;
  std::size_t needed = size_of(array.type->element);
  std::size_t longest = 1;
  for (const Value& item : array.shape->items) {
    const auto extent = item.integer();
    if (!extent || *extent < 0) return refuse("an extent is no integer, or negative");
    const auto value = static_cast<std::size_t>(*extent);
    if (value != 0 && needed > held->size() / value)
      return refuse("its shape needs more bytes than it holds");
    needed *= value;
    longest = std::max(longest, value);
    shape.push_back(*extent);
  }
  if (needed != held->size()) return refuse("its shape needs fewer bytes than it holds");
  // Of one line of elements the order is the same in both layouts.
  if (array.fortran && needed != longest * size_of(array.type->element))
    return refuse("it is in Fortran order");
  bytes = *held;
  return shape;
}

}  // namespace qcface::pickle
