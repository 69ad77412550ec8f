// What a pickle holds, as plain data: data-formats.md section 4. Text and bytes are slices of the file, which must outlive the
// values; containers are shared by reference, so that a value that a pickle repeats 2^n times takes the room of one. No
// value holds itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qcface::pickle {

enum class Kind : std::uint8_t {
  kNone,
  kBool,
  kInt,
  kBigInt,  // of more than 64 bits: bytes, least significant first, two's complement
  kFloat,
  kText,  // UTF-8 as a rule; nothing is checked
  kBytes,
  kLatin1,  // bytes in the form of a text whose code points are the bytes (Python 3, protocol 2)
  kTuple,
  kList,
  kDict,
  kSymbol,
  kElementType,
  kArray,
  kStorage,
  kTensor,
  kOpaque  // what foreign code would have made
};

struct Sequence;
struct Dict;
struct Symbol;
struct ElementType;
struct Array;
struct Storage;
struct Tensor;
struct Opaque;

class Value {
 public:
  Value() = default;
  static Value of_bool(bool value) { return of_number(Kind::kBool, value ? 1 : 0); }
  static Value of_int(std::int64_t value) { return of_number(Kind::kInt, value); }
  static Value of_float(double value);
  /// kText, kBytes, kLatin1 or kBigInt.
  static Value of_slice(Kind kind, std::string_view slice);
  static Value of(Sequence& node, Kind kind) { return of_node(kind, &node); }  // kTuple or kList
  static Value of(Dict& node) { return of_node(Kind::kDict, &node); }
  static Value of(Symbol& node) { return of_node(Kind::kSymbol, &node); }
  static Value of(ElementType& node) { return of_node(Kind::kElementType, &node); }
  static Value of(Array& node) { return of_node(Kind::kArray, &node); }
  static Value of(Storage& node) { return of_node(Kind::kStorage, &node); }
  static Value of(Tensor& node) { return of_node(Kind::kTensor, &node); }
  static Value of(Opaque& node) { return of_node(Kind::kOpaque, &node); }

  Kind kind() const { return kind_; }
  bool is_none() const { return kind_ == Kind::kNone; }
  /// Each is null, or nothing, where the value is of another kind.
  Sequence* sequence() const { return is_sequence() ? static_cast<Sequence*>(node_) : nullptr; }
  Dict* dict() const { return node_if<Dict>(Kind::kDict); }
  Symbol* symbol() const { return node_if<Symbol>(Kind::kSymbol); }
  ElementType* element_type() const { return node_if<ElementType>(Kind::kElementType); }
  Array* array() const { return node_if<Array>(Kind::kArray); }
  Storage* storage() const { return node_if<Storage>(Kind::kStorage); }
  Tensor* tensor() const { return node_if<Tensor>(Kind::kTensor); }
  Opaque* opaque() const { return node_if<Opaque>(Kind::kOpaque); }
  /// An int or a bool.
  std::optional<std::int64_t> integer() const;
  std::optional<double> real() const;
  /// The bytes of a text, of bytes or of a big int as they stand in the file; of kLatin1 the UTF-8 form.
  std::string_view slice() const { return {start_or_null(), size_}; }
  /// A name: a text, or bytes, which are the texts of Python 2.
  std::optional<std::string_view> name() const;
  /// Items of a tuple or list, none for another kind.
  std::span<const Value> items() const;
  /// "a tuple of 2", "text 'abc'", "an object of argparse.Namespace": for messages.
  std::string describe() const;

 private:
  static Value of_number(Kind kind, std::int64_t value);
  static Value of_node(Kind kind, void* node);
  bool is_sequence() const { return kind_ == Kind::kTuple || kind_ == Kind::kList; }
  bool is_slice() const {
    return kind_ == Kind::kText || kind_ == Kind::kBytes || kind_ == Kind::kLatin1 || kind_ == Kind::kBigInt;
  }
  const char* start_or_null() const { return is_slice() ? start_ : nullptr; }
  template <class Node>
  Node* node_if(Kind kind) const {
    return kind_ == kind ? static_cast<Node*>(node_) : nullptr;
  }

  Kind kind_ = Kind::kNone;
  union {
    std::int64_t integer_ = 0;
    double real_;
    const char* start_;
    void* node_;
  };
  std::size_t size_ = 0;  // of a slice
};

struct Sequence {
  std::vector<Value> items;
  int depth = 0;  // of nesting, once the whole was checked
};

struct Dict {
  std::vector<std::pair<Value, Value>> entries;  // in the order of the pickle
  int depth = 0;
  /// The value of a text key, the last one of several, as in Python; null if there is none.
  const Value* find(std::string_view key) const;
};

/// What a symbol of the table of section 4 stands for; anything else is kForeign.
enum class Meaning : std::uint8_t {
  kForeign,
  kOrderedDict,
  kEncode,
  kBytes,
  kByteArray,
  kSet,
  kList,
  kDict,
  kNdarray,
  kReconstruct,
  kFromBuffer,
  kScalar,
  kDtype,
  kRebuildTensor,
  kRebuildParameter,
  kTorchSize,
  kTorchDevice,
  kStorageClass
};

/// Element types of tensors and arrays. kOther: one that is not read.
enum class Element : std::uint8_t { kOther, kF64, kF32, kF16, kBF16, kI64, kI32, kI16, kI8, kU8, kBool };
std::size_t size_of(Element element);  // 0 of kOther

struct Symbol {
  std::string_view module, name;  // in the spelling of the file
  Meaning meaning = Meaning::kForeign;
  Element element = Element::kOther;  // of a storage class
};

struct ElementType {  // NumPy's dtype
  Element element = Element::kOther;
  bool big_endian = false;
};

struct Array {  // NumPy's ndarray
  const ElementType* type = nullptr;
  const Sequence* shape = nullptr;
  bool fortran = false;
  Value bytes;  // none: not filled, or not with plain bytes
};

struct Storage {  // of PyTorch
  const Symbol* storage_class = nullptr;
  std::string_view key;
  std::int64_t elements = 0;
  std::size_t offset = 0;  // of the opcode in the file
};

struct Tensor {
  const Storage* storage = nullptr;
  std::int64_t first = 0;  // element of the storage
  const Sequence *size = nullptr, *stride = nullptr;
};

struct Opaque {
  const Symbol* maker = nullptr;  // null: made by something opaque itself
  const char* problem = nullptr;  // of a symbol that is known: what is wrong with its arguments
  std::size_t offset = 0;         // of the opcode in the file
};

/// Bytes of a kBytes value, or of a kLatin1 one converted into `buffer`. Nothing where it is neither, or a code point is
/// above 255.
std::optional<std::span<const std::byte>> bytes_of(const Value& value, std::vector<std::uint8_t>& buffer);

/// The shape of an array that has at most 64 extents, all of them ints >= 0, and whose elements fit into its bytes, which are
/// put into `bytes`; else nothing, with the reason in `problem`.
std::optional<std::vector<std::int64_t>> open_array(const Array& array, std::vector<std::uint8_t>& buffer,
                                                    std::span<const std::byte>& bytes, const char*& problem);

}  // namespace qcface::pickle
