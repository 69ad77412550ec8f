#include "core/pickle/reader.h"

#include <bit>
#include <cstring>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/text.h"

namespace qcface::pickle {
namespace {

constexpr unsigned char kProto = 0x80, kStop = '.';
constexpr int kNewestProtocol = 5;

class Reader {
 public:
  Reader(const std::string& file, std::span<const std::byte> bytes, const ReadOptions& options)
      : file_(file),
        text_(reinterpret_cast<const char*>(bytes.data()), bytes.size()),
        at_(options.start),
        persistent_ids_(options.persistent_ids) {}

  Document run() {
    offset_ = at_;
    if (at_ >= text_.size() || static_cast<unsigned char>(text_[at_]) != kProto)
      error("not a pickle of protocol 2 or later, which begins with the byte 0x80");
    while (true) {
      offset_ = at_;
      const auto opcode = unsigned_number<std::uint8_t>();
      if (opcode == kStop) break;
      step(opcode);
    }
    if (stack_.size() != 1 || !marks_.empty())
      error(fmt::format("it ends with {} values on its stack where one is expected", stack_.size()));
    document_.root = stack_.back();
    document_.end = at_;
    return std::move(document_);
  }

 private:
  [[noreturn]] void error(std::string_view what) const {
    fail("{}: byte {}: pickle: {}", file_, offset_, what);
  }

  std::string_view take(std::uint64_t length) {
    if (length > text_.size() - at_)
      error(fmt::format("{} bytes are needed where {} are left; the file is cut off or damaged", length,
                        text_.size() - at_));
    const std::string_view taken = text_.substr(at_, static_cast<std::size_t>(length));
    at_ += taken.size();
    return taken;
  }
  template <class T>
  T unsigned_number() {
    static_assert(std::endian::native == std::endian::little, "pickles are little-endian");
    T value{};
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  // A length that is stored with a sign.
  std::uint64_t signed_length() {
    const auto length = unsigned_number<std::int32_t>();
    if (length < 0) error("a length is negative");
    return static_cast<std::uint64_t>(length);
  }
  std::string_view line() {
    const std::size_t end = text_.find('\n', at_);
    if (end == std::string_view::npos) error("a line has no end");
    const std::string_view taken = text_.substr(at_, end - at_);
    at_ = end + 1;
    return taken;
  }

  void count(std::size_t values) {
    if (!document_.charge(values)) error(fmt::format("it has more than {} values", kMostValues));
  }
  void push(const Value& value) {
    count(1);
    stack_.push_back(value);
  }
  void push_slice(Kind kind, std::uint64_t length) { push(Value::of_slice(kind, take(length))); }
  std::size_t fence() const { return marks_.empty() ? 0 : marks_.back(); }
  // Values above the last mark are all that an opcode may reach.
  void need(std::size_t values) const {
    if (stack_.size() - fence() < values) error("its stack holds fewer values than the opcode needs");
  }
  Value pop() {
    need(1);
    const Value value = stack_.back();
    stack_.pop_back();
    return value;
  }
  const Value& top() const {
    need(1);
    return stack_.back();
  }
  // Values from the last mark on. They stay on the stack until drop_to().
  std::span<const Value> since_mark() {
    if (marks_.empty()) error("its stack has no mark");
    const std::size_t from = marks_.back();
    marks_.pop_back();
    return std::span<const Value>(stack_).subspan(from);
  }
  std::span<const Value> last(std::size_t values) const {
    need(values);
    return std::span<const Value>(stack_).last(values);
  }
  void drop(std::size_t values) { stack_.resize(stack_.size() - values); }

  void make_tuple(std::span<const Value> items) {
    Sequence& tuple = document_.add_sequence();
    tuple.items.assign(items.begin(), items.end());
    drop(items.size());
    push(Value::of(tuple, Kind::kTuple));
  }
  void append(std::span<const Value> items) {
    const std::size_t size = items.size();
    if (stack_.size() - fence() <= size) error("there is no list below the values");
    const Value& target = stack_[stack_.size() - size - 1];
    if (target.kind() == Kind::kList) {
      auto& list = target.sequence()->items;
      list.insert(list.end(), items.begin(), items.end());
    } else if (target.kind() !=
               Kind::kOpaque) {  // what foreign code would have made is dropped with its content
      error(fmt::format("{} where a list is expected", target.describe()));
    }
    drop(size);
  }
  void set_items(std::span<const Value> items) {
    const std::size_t size = items.size();
    if (size % 2 != 0) error("a key without a value");
    if (stack_.size() - fence() <= size) error("there is no dict below the values");
    const Value& target = stack_[stack_.size() - size - 1];
    if (Dict* const dict = target.dict()) {
      for (std::size_t i = 0; i < size; i += 2) dict->entries.emplace_back(items[i], items[i + 1]);
    } else if (target.kind() != Kind::kOpaque) {
      error(fmt::format("{} where a dict is expected", target.describe()));
    }
    drop(size);
  }

  void put(std::size_t place) {
    if (place >= kMostValues)
      error(fmt::format("place {} of the memo, where {} are the most", place, kMostValues));
    memo_.insert_or_assign(static_cast<std::uint32_t>(place), top());
  }
  void get(std::size_t place) {
    const auto found = place < kMostValues ? memo_.find(static_cast<std::uint32_t>(place)) : memo_.end();
    if (found == memo_.end()) error(fmt::format("place {} of the memo is empty", place));
    push(found->second);
  }

  void push_long(std::uint64_t length) {
    const std::string_view digits = take(length);
    if (digits.size() > sizeof(std::int64_t)) return push(Value::of_slice(Kind::kBigInt, digits));
    const bool negative = !digits.empty() && (digits.back() & 0x80) != 0;
    std::int64_t value = negative ? -1 : 0;
    if (!digits.empty()) std::memcpy(&value, digits.data(), digits.size());
    push(Value::of_int(value));
  }
  void push_global(std::string_view module, std::string_view name) {
    push(document_.add_symbol(module, name));
  }
  void stack_global() {
    const auto pair = last(2);
    const auto module = pair[0].name(), name = pair[1].name();
    if (!module || !name) error("the names of a symbol are no texts");
    drop(2);
    push_global(*module, *name);
  }
  void call() {
    const auto pair = last(2);
    const Value callable = pair[0], arguments = pair[1];
    if (arguments.kind() != Kind::kTuple && arguments.kind() != Kind::kOpaque)
      error(fmt::format("{} where a tuple of arguments is expected", arguments.describe()));
    drop(2);
    const Symbol* const symbol = callable.symbol();
    if (symbol != nullptr && arguments.kind() == Kind::kTuple)
      return push(document_.construct(*symbol, arguments.items(), offset_));
    if (symbol == nullptr && callable.kind() != Kind::kOpaque)
      error(fmt::format("{} where something callable is expected", callable.describe()));
    push(document_.add_opaque(symbol, nullptr, offset_));
  }
  void build() {
    const auto pair = last(2);
    if (!document_.build(pair[0], pair[1]))
      error(fmt::format("{} does not take {} for its state", pair[0].describe(), pair[1].describe()));
    drop(1);
  }
  void persistent_id() {
    const char* problem = nullptr;
    Storage* const storage = document_.add_storage(pop(), offset_, problem);
    if (storage == nullptr) error(fmt::format("persistent id: {}", problem));
    push(Value::of(*storage));
  }
  void pop_one() {
    if (stack_.size() > fence())
      stack_.pop_back();
    else if (!marks_.empty())
      marks_.pop_back();
    else
      error("its stack is empty");
  }

  void step(unsigned char opcode);

  const std::string& file_;
  std::string_view text_;
  std::size_t at_, offset_ = 0;
  bool persistent_ids_;
  Document document_;
  std::vector<Value> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint32_t, Value> memo_;
};

void Reader::step(unsigned char opcode) {
  switch (opcode) {
    case kProto: {
      const int protocol = unsigned_number<std::uint8_t>();
      if (protocol > kNewestProtocol)
        error(fmt::format("protocol {} where {} is the newest", protocol, kNewestProtocol));
      return;
    }
    case 0x95: {  // FRAME
      const auto length = unsigned_number<std::uint64_t>();
      if (length > text_.size() - at_)
        error(fmt::format("a frame of {} bytes where {} are left; the file is cut off or damaged", length,
                          text_.size() - at_));
      return;
    }
    case '(':
      count(1);
      return marks_.push_back(stack_.size());
    case '0':
      return pop_one();
    case '1':  // POP_MARK
      return drop(since_mark().size());
    case 'N':
      return push({});
    case 0x88:
      return push(Value::of_bool(true));
    case 0x89:
      return push(Value::of_bool(false));
    case 'J':
      return push(Value::of_int(unsigned_number<std::int32_t>()));
    case 'K':
      return push(Value::of_int(unsigned_number<std::uint8_t>()));
    case 'M':
      return push(Value::of_int(unsigned_number<std::uint16_t>()));
    case 0x8a:  // LONG1
      return push_long(unsigned_number<std::uint8_t>());
    case 0x8b:  // LONG4
      return push_long(signed_length());
    case 'G': {  // BINFLOAT, the one number that is big-endian
      const auto bits = unsigned_number<std::uint64_t>();
      return push(Value::of_float(std::bit_cast<double>(__builtin_bswap64(bits))));
    }
    case 'U':  // SHORT_BINSTRING
    case 'C':  // SHORT_BINBYTES
      return push_slice(Kind::kBytes, unsigned_number<std::uint8_t>());
    case 'T':  // BINSTRING
      return push_slice(Kind::kBytes, signed_length());
    case 'B':  // BINBYTES
      return push_slice(Kind::kBytes, unsigned_number<std::uint32_t>());
    case 0x8e:  // BINBYTES8
    case 0x96:  // BYTEARRAY8
      return push_slice(Kind::kBytes, unsigned_number<std::uint64_t>());
    case 0x8c:  // SHORT_BINUNICODE
      return push_slice(Kind::kText, unsigned_number<std::uint8_t>());
    case 'X':  // BINUNICODE
      return push_slice(Kind::kText, unsigned_number<std::uint32_t>());
    case 0x8d:  // BINUNICODE8
      return push_slice(Kind::kText, unsigned_number<std::uint64_t>());
    case ')':
      return push(Value::of(document_.add_sequence(), Kind::kTuple));
    case 't':
      return make_tuple(since_mark());
    case 0x85:
    case 0x86:
    case 0x87:  // TUPLE1 to TUPLE3
      return make_tuple(last(opcode - 0x84u));
    case ']':
      return push(Value::of(document_.add_sequence(), Kind::kList));
    case 'a':
      return append(last(1));
    case 'e':
      return append(since_mark());
    case '}':
      return push(Value::of(document_.add_dict()));
    case 's':
      return set_items(last(2));
    case 'u':
      return set_items(since_mark());
    case 'h':
      return get(unsigned_number<std::uint8_t>());
    case 'j':
      return get(unsigned_number<std::uint32_t>());
    case 'q':
      return put(unsigned_number<std::uint8_t>());
    case 'r':
      return put(unsigned_number<std::uint32_t>());
    case 0x94:  // MEMOIZE
      return put(memo_.size());
    case 'c': {  // GLOBAL
      const std::string_view module = line();
      return push_global(module, line());
    }
    case 0x93:
      return stack_global();
    case 'R':   // REDUCE
    case 0x81:  // NEWOBJ
      return call();
    case 'b':
      return build();
    case 'Q':
      if (persistent_ids_) return persistent_id();
      error("a persistent id, which only checkpoints have");
    default:
      error(fmt::format("opcode {:#04x} is not read here; it is none that PyTorch or NumPy write for data",
                        opcode));
  }
}

}  // namespace

bool is_pickle(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{kProto} && bytes[1] >= std::byte{2} &&
         bytes[1] <= std::byte{kNewestProtocol};
}

Document read(const std::string& file, std::span<const std::byte> bytes, const ReadOptions& options) {
  Document document = Reader(file, bytes, options).run();
  const char* const problem = document.check_nesting();
  require(problem == nullptr, "{}: byte {}: pickle: {}", file, options.start, problem);
  return document;
}

}  // namespace qcface::pickle
