// The values of one pickle, and making new ones: what the table of symbols in data-formats.md section 4 says. Nothing is looked
// up by a name, and nothing is called.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string_view>

#include "core/pickle/value.h"

namespace qcface::pickle {

/// How many values a pickle may push and copy, and how many places its memo may have.
constexpr std::size_t kMostValues = 10'000'000;
constexpr int kDeepestNesting = 1000;

/// Owns the nodes of its values; moving it keeps them where they are.
class Document {
 public:
  Value root;
  std::size_t end = 0;  // in the file: behind the STOP

  const std::deque<Storage>& storages() const { return storages_; }

  Sequence& add_sequence() { return sequences_.emplace_back(); }
  Dict& add_dict() { return dicts_.emplace_back(); }
  /// A symbol, whatever its name; both names must stay where they are.
  Value add_symbol(std::string_view module, std::string_view name);
  Value add_opaque(const Symbol* maker, const char* problem, std::size_t offset);
  /// Counts values; false when there are too many.
  [[nodiscard]] bool charge(std::size_t values);

  /// What calling `symbol` with the items of a tuple would give: a value for the symbols of the table and arguments as they
  /// should be, an opaque one else. `offset` is that of the opcode.
  Value construct(const Symbol& symbol, std::span<const Value> arguments, std::size_t offset);
  /// BUILD: puts the state into an array or an element type, drops it on a dict, a tensor or an opaque value. False where
  /// the value takes no state, or not this one.
  bool build(Value value, const Value& state);
  /// Makes a storage of the tuple of a persistent id. Null: the id is none of a storage, with the reason.
  Storage* add_storage(const Value& id, std::size_t offset, const char*& problem);
  /// From the root on: null, or why its values are refused (one holds itself, they nest too deep).
  const char* check_nesting();

 private:
  std::deque<Sequence> sequences_;
  std::deque<Dict> dicts_;
  std::deque<Symbol> symbols_;
  std::deque<ElementType> types_;
  std::deque<Array> arrays_;
  std::deque<Storage> storages_;
  std::deque<Tensor> tensors_;
  std::deque<Opaque> opaques_;
  std::size_t values_ = 0;

  Value copied_list(std::span<const Value> arguments, const char*& problem);
  Value copied_dict(std::span<const Value> arguments, const char*& problem);
  Value made_array(std::span<const Value> arguments, const char*& problem);
  Value made_type(std::span<const Value> arguments, const char*& problem);
  Value made_tensor(std::span<const Value> arguments, const char*& problem);
};

}  // namespace qcface::pickle
