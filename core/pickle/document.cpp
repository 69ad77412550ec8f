#include "core/pickle/document.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace qcface::pickle {
namespace {

constexpr std::string_view kNumpyOld = "numpy.core.", kNumpyNew = "numpy._core.";

struct Known {
  std::string_view module, name;
  Meaning meaning;
  Element element = Element::kOther;
};
constexpr auto kStorageClass = Meaning::kStorageClass;
constexpr std::array kKnown{
    Known{"collections", "OrderedDict", Meaning::kOrderedDict},
    Known{"_codecs", "encode", Meaning::kEncode},
    Known{"builtins", "bytes", Meaning::kBytes},
    Known{"builtins", "bytearray", Meaning::kByteArray},
    Known{"builtins", "set", Meaning::kSet},
    Known{"builtins", "list", Meaning::kList},
    Known{"builtins", "dict", Meaning::kDict},
    Known{"numpy", "ndarray", Meaning::kNdarray},
    Known{"numpy", "dtype", Meaning::kDtype},
    Known{"numpy.core.multiarray", "_reconstruct", Meaning::kReconstruct},
    Known{"numpy.core.multiarray", "scalar", Meaning::kScalar},
    Known{"numpy.core.numeric", "_frombuffer", Meaning::kFromBuffer},
    Known{"torch._utils", "_rebuild_tensor_v2", Meaning::kRebuildTensor},
    Known{"torch._utils", "_rebuild_parameter", Meaning::kRebuildParameter},
    Known{"torch", "Size", Meaning::kTorchSize},
    Known{"torch", "device", Meaning::kTorchDevice},
    Known{"torch", "FloatStorage", kStorageClass, Element::kF32},
    Known{"torch", "DoubleStorage", kStorageClass, Element::kF64},
    Known{"torch", "HalfStorage", kStorageClass, Element::kF16},
    Known{"torch", "BFloat16Storage", kStorageClass, Element::kBF16},
    Known{"torch", "LongStorage", kStorageClass, Element::kI64},
    Known{"torch", "IntStorage", kStorageClass, Element::kI32},
    Known{"torch", "ShortStorage", kStorageClass, Element::kI16},
    Known{"torch", "CharStorage", kStorageClass, Element::kI8},
    Known{"torch", "ByteStorage", kStorageClass, Element::kU8},
    Known{"torch", "BoolStorage", kStorageClass, Element::kBool},
};

bool same_module(std::string_view written, std::string_view known) {
  if (written == known) return true;
  if (written == "__builtin__") return known == "builtins";
  return written.starts_with(kNumpyNew) && known.starts_with(kNumpyOld) &&
         written.substr(kNumpyNew.size()) == known.substr(kNumpyOld.size());
}

struct Code {
  std::string_view name;
  Element element;
};
constexpr std::array kCodes{Code{"u1", Element::kU8},  Code{"b1", Element::kBool}, Code{"i4", Element::kI32},
                            Code{"i8", Element::kI64}, Code{"f4", Element::kF32},  Code{"f8", Element::kF64}};

Value none_with(const char*& problem, const char* reason) {
  problem = reason;
  return {};
}

// The scalar in the bytes of one element; none for another number of bytes.
Value scalar_of(Element element, std::span<const std::byte> bytes) {
  const auto load = [&](auto sample) {
    std::memcpy(&sample, bytes.data(), sizeof sample);
    return sample;
  };
  if (size_of(element) == 0 || bytes.size() != size_of(element)) return {};
  switch (element) {
    case Element::kBool:
      return Value::of_bool(load(std::uint8_t{}) != 0);
    case Element::kU8:
      return Value::of_int(load(std::uint8_t{}));
    case Element::kI32:
      return Value::of_int(load(std::int32_t{}));
    case Element::kI64:
      return Value::of_int(load(std::int64_t{}));
    case Element::kF32:
      return Value::of_float(static_cast<double>(load(float{})));
    case Element::kF64:
      return Value::of_float(load(double{}));
    default:
      return {};
  }
}

Value made_scalar(std::span<const Value> arguments, const char*& problem) {
  const ElementType* const type = arguments.size() == 2 ? arguments[0].element_type() : nullptr;
  constexpr std::size_t kLongest = 16;  // eight bytes as latin1 text
  if (type == nullptr || arguments[1].slice().size() > kLongest)
    return none_with(problem, "expected an element type and the bytes of one element");
  if (type->big_endian) return none_with(problem, "it is big-endian");
  std::vector<std::uint8_t> buffer;
  const auto bytes = bytes_of(arguments[1], buffer);
  const Value scalar = bytes ? scalar_of(type->element, *bytes) : Value();
  if (scalar.is_none()) problem = "expected the bytes of one u1, b1, i4, i8, f4 or f8";
  return scalar;
}

// codecs.encode(text, "latin1"), bytes(), bytearray(), bytearray(bytes), bytearray(text, "latin-1").
Value made_bytes(Meaning meaning, std::span<const Value> arguments, const char*& problem) {
  const auto is_latin1 = [](const Value& value) {
    const auto name = value.name();
    return name == "latin1" || name == "latin-1";
  };
  if (arguments.empty() && meaning != Meaning::kEncode) return Value::of_slice(Kind::kBytes, {});
  if (arguments.size() == 2 && arguments[0].kind() == Kind::kText && is_latin1(arguments[1]))
    return Value::of_slice(Kind::kLatin1, arguments[0].slice());
  if (arguments.size() == 1 && meaning != Meaning::kEncode &&
      (arguments[0].kind() == Kind::kBytes || arguments[0].kind() == Kind::kLatin1))
    return arguments[0];
  return none_with(problem, "expected bytes, or a text and latin1");
}

}  // namespace

Value Document::add_symbol(std::string_view module, std::string_view name) {
  Symbol symbol{module, name, Meaning::kForeign, Element::kOther};
  const auto known = std::find_if(kKnown.begin(), kKnown.end(), [&](const Known& k) {
    return name == k.name && same_module(module, k.module);
  });
  if (known != kKnown.end()) {
    symbol.meaning = known->meaning;
    symbol.element = known->element;
  }
  return Value::of(symbols_.emplace_back(symbol));
}

Value Document::add_opaque(const Symbol* maker, const char* problem, std::size_t offset) {
  return Value::of(opaques_.emplace_back(Opaque{maker, problem, offset}));
}

bool Document::charge(std::size_t values) {
  if (values > kMostValues - values_) return false;
  values_ += values;
  return true;
}

// list(), list(values), set(values). A copy, because a list may grow later on; it counts.
Value Document::copied_list(std::span<const Value> arguments, const char*& problem) {
  if (arguments.size() > 1 || (arguments.size() == 1 && arguments[0].sequence() == nullptr))
    return none_with(problem, "expected a list or nothing");
  const auto items = arguments.empty() ? std::span<const Value>() : arguments[0].items();
  if (!charge(items.size())) return none_with(problem, "there are more than 10 million values");
  Sequence& list = add_sequence();
  list.items.assign(items.begin(), items.end());
  return Value::of(list, Kind::kList);
}

// OrderedDict(), OrderedDict(list of pairs), dict(...).
Value Document::copied_dict(std::span<const Value> arguments, const char*& problem) {
  constexpr const char* kExpected = "expected a dict, a list of pairs or nothing";
  if (arguments.size() > 1) return none_with(problem, kExpected);
  Dict made;
  if (arguments.size() == 1) {
    const Value& from = arguments[0];
    const Dict* const other = from.dict();
    if (other == nullptr && from.sequence() == nullptr) return none_with(problem, kExpected);
    if (!charge(2 * (other != nullptr ? other->entries.size() : from.items().size())))
      return none_with(problem, "there are more than 10 million values");
    if (other != nullptr) made.entries = other->entries;
    for (const Value& pair : from.items()) {
      if (pair.items().size() != 2) return none_with(problem, kExpected);
      made.entries.emplace_back(pair.items()[0], pair.items()[1]);
    }
  }
  Dict& dict = add_dict();
  dict.entries = std::move(made.entries);
  return Value::of(dict);
}

// _frombuffer(bytes, dtype, shape, order).
Value Document::made_array(std::span<const Value> arguments, const char*& problem) {
  if (arguments.size() != 4 || arguments[1].element_type() == nullptr || arguments[2].sequence() == nullptr)
    return none_with(problem, "expected bytes, an element type, a shape and an order");
  Array array{arguments[1].element_type(), arguments[2].sequence(), arguments[3].name() == "F", arguments[0]};
  return Value::of(arrays_.emplace_back(array));
}

// dtype(code, align, copy): the order of bytes comes with BUILD.
Value Document::made_type(std::span<const Value> arguments, const char*& problem) {
  const auto code = arguments.empty() ? std::nullopt : arguments[0].name();
  if (!code) return none_with(problem, "expected the code of an element type");
  const auto known =
      std::find_if(kCodes.begin(), kCodes.end(), [&](const Code& c) { return c.name == *code; });
  return Value::of(
      types_.emplace_back(ElementType{known == kCodes.end() ? Element::kOther : known->element}));
}

// _rebuild_tensor_v2(storage, first, size, stride, requires_grad, hooks[, metadata]).
Value Document::made_tensor(std::span<const Value> arguments, const char*& problem) {
  if (arguments.size() != 6 && arguments.size() != 7)
    return none_with(problem, "expected six or seven arguments");
  const auto first = arguments[1].integer();
  if (arguments[0].storage() == nullptr || !first || arguments[2].kind() != Kind::kTuple ||
      arguments[3].kind() != Kind::kTuple)
    return none_with(problem, "expected a storage, an offset, and tuples of extents and strides");
  Tensor tensor{arguments[0].storage(), *first, arguments[2].sequence(), arguments[3].sequence()};
  return Value::of(tensors_.emplace_back(tensor));
}

Value Document::construct(const Symbol& symbol, std::span<const Value> arguments, std::size_t offset) {
  const char* problem = nullptr;
  Value made;
  switch (symbol.meaning) {
    case Meaning::kOrderedDict:
    case Meaning::kDict:
      made = copied_dict(arguments, problem);
      break;
    case Meaning::kList:
    case Meaning::kSet:
      made = copied_list(arguments, problem);
      break;
    case Meaning::kEncode:
    case Meaning::kBytes:
    case Meaning::kByteArray:
      made = made_bytes(symbol.meaning, arguments, problem);
      break;
    case Meaning::kReconstruct:
      if (arguments.size() == 3 && arguments[0].symbol() != nullptr &&
          arguments[0].symbol()->meaning == Meaning::kNdarray)
        made = Value::of(arrays_.emplace_back());
      else
        problem = "expected a plain array";
      break;
    case Meaning::kFromBuffer:
      made = made_array(arguments, problem);
      break;
    case Meaning::kScalar:
      made = made_scalar(arguments, problem);
      break;
    case Meaning::kDtype:
      made = made_type(arguments, problem);
      break;
    case Meaning::kRebuildTensor:
      made = made_tensor(arguments, problem);
      break;
    case Meaning::kRebuildParameter:
      if (arguments.size() == 3 && arguments[0].tensor() != nullptr)
        made = arguments[0];
      else
        problem = "expected a tensor and two more arguments";
      break;
    case Meaning::kTorchSize:
      if (arguments.size() == 1 && arguments[0].kind() == Kind::kTuple)
        made = arguments[0];
      else
        problem = "expected a tuple";
      break;
    case Meaning::kTorchDevice:
      if (!arguments.empty() && arguments[0].kind() == Kind::kText)
        made = arguments[0];
      else
        problem = "expected a text";
      break;
    case Meaning::kNdarray:
    case Meaning::kStorageClass:
    case Meaning::kForeign:
      return add_opaque(&symbol, nullptr, offset);
  }
  return problem != nullptr ? add_opaque(&symbol, problem, offset) : made;
}

bool Document::build(Value value, const Value& state) {
  if (value.dict() != nullptr || value.tensor() != nullptr || value.opaque() != nullptr) return true;
  if (value.kind() != Kind::kArray && value.kind() != Kind::kElementType) return false;
  if (state.kind() != Kind::kTuple) return false;
  const auto items = state.items();
  if (Array* const array = value.array()) {  // (version, shape, dtype, is Fortran, bytes)
    if (items.size() != 5 || items[1].kind() != Kind::kTuple || !items[3].integer()) return false;
    array->shape = items[1].sequence();
    array->type = items[2].element_type();  // null for one that is opaque: an error when asked for
    array->fortran = *items[3].integer() != 0;
    array->bytes = items[4];
    return true;
  }
  if (items.size() < 2 || !items[1].name()) return false;  // (version, order of bytes, ...)
  value.element_type()->big_endian = *items[1].name() == ">";
  return true;
}

// ("storage", class, key, location, elements[, view])
Storage* Document::add_storage(const Value& id, std::size_t offset, const char*& problem) {
  const auto items = id.items();
  const auto refuse = [&](const char* reason) {
    problem = reason;
    return nullptr;
  };
  if (id.kind() != Kind::kTuple || (items.size() != 5 && items.size() != 6) || items[0].name() != "storage" ||
      items[1].symbol() == nullptr || !items[2].name() || !items[4].integer() || *items[4].integer() < 0)
    return refuse("expected a tuple of 'storage', a class, a key, a place and a number of elements");
  if (items.size() == 6 && !items[5].is_none())
    return refuse(
        "the storage is a view of another, as very old versions of PyTorch wrote; save the file anew");
  return &storages_.emplace_back(Storage{items[1].symbol(), *items[2].name(), *items[4].integer(), offset});
}

const char* Document::check_nesting() {
  constexpr int kOpen = -1;
  struct Frame {
    Sequence* sequence;
    Dict* dict;
    std::size_t next = 0;
    int deepest = 0;  // of the children so far
  };
  std::vector<Frame> path;
  const auto depth_of = [](const Frame& frame) -> int& {
    return frame.sequence != nullptr ? frame.sequence->depth : frame.dict->depth;
  };
  const auto visit = [&](const Value& value) -> const char* {
    const Frame frame{value.sequence(), value.dict()};
    if (frame.sequence == nullptr && frame.dict == nullptr) return nullptr;
    int& depth = depth_of(frame);
    if (depth == kOpen) return "a value holds itself";
    if (static_cast<int>(path.size()) + std::max(depth, 1) > kDeepestNesting)
      return "its values nest deeper than 1000";
    if (depth > 0) {
      if (!path.empty()) path.back().deepest = std::max(path.back().deepest, depth);
    } else {
      depth = kOpen;
      path.push_back(frame);
    }
    return nullptr;
  };
  const char* problem = visit(root);
  while (problem == nullptr && !path.empty()) {
    Frame& frame = path.back();
    const std::size_t at = frame.next++;
    if (frame.sequence != nullptr && at < frame.sequence->items.size()) {
      problem = visit(frame.sequence->items[at]);
    } else if (frame.dict != nullptr && at / 2 < frame.dict->entries.size()) {
      const auto& [key, value] = frame.dict->entries[at / 2];
      problem = visit(at % 2 == 0 ? key : value);
    } else {
      const int depth = frame.deepest + 1;
      depth_of(frame) = depth;
      path.pop_back();
      if (!path.empty()) path.back().deepest = std::max(path.back().deepest, depth);
    }
  }
  return problem;
}

}  // namespace qcface::pickle
