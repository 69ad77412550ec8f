#include "core/tensors/pytorch.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/pickle/reader.h"
#include "core/tensors/state_dict.h"
#include "core/text.h"
#include "core/zip_directory.h"

namespace qcface {
namespace {

constexpr std::size_t kMostTensors =
    1'000'000;  // a name and a shape each: what they may take of memory is bounded

Dtype dtype_of(pickle::Element element) {
  switch (element) {
    case pickle::Element::kF64:
      return Dtype::kF64;
    case pickle::Element::kF32:
      return Dtype::kF32;
    case pickle::Element::kF16:
      return Dtype::kF16;
    case pickle::Element::kBF16:
      return Dtype::kBF16;
    case pickle::Element::kI64:
      return Dtype::kI64;
    case pickle::Element::kI32:
      return Dtype::kI32;
    case pickle::Element::kI16:
      return Dtype::kI16;
    case pickle::Element::kI8:
      return Dtype::kI8;
    case pickle::Element::kU8:
      return Dtype::kU8;
    default:
      return Dtype::kBool;
  }
}

// Where the elements of storages lie, by key.
class Storages {
 public:
  virtual ~Storages() = default;
  /// Throws Error where there is no such storage, or of another size.
  virtual std::span<const std::byte> find(const pickle::Storage& storage) const = 0;
};

class ZipStorages : public Storages {
 public:
  ZipStorages(const std::string& file, ZipDirectory entries) : file_(file), entries_(std::move(entries)) {
    constexpr std::string_view kObject = "/data.pkl";
    for (const auto& [name, entry] : entries_) {
      if (!name.ends_with(kObject)) continue;
      require(object_ == nullptr, "{}: byte {}: a second entry {}; expected one in a file of PyTorch", file_,
              entry.offset, printable(name, 200));
      object_ = &entry;
      object_name_ = name;
      prefix_ = name.substr(0, name.size() - kObject.size() + 1);
    }
    require(object_ != nullptr,
            "{}: is a zip archive without an entry that ends in /data.pkl; expected one that PyTorch wrote",
            file_);
    check_crc(file_, object_name_, *object_);
    if (const auto order = entries_.find(prefix_ + "byteorder"); order != entries_.end()) {
      const std::string_view text = text_of(order->second.bytes);
      require(text != "big",
              "{}: byte {}: its tensors are big-endian; save the file anew on a little-endian machine", file_,
              order->second.offset);
      require(text == "little", "{}: byte {}: the order of bytes is '{}', expected little", file_,
              order->second.offset, printable(text, 40));
    }
  }

  const ZipEntry& object() const { return *object_; }

  std::span<const std::byte> find(const pickle::Storage& storage) const override {
    const std::string name = prefix_ + "data/" + std::string(storage.key);
    const auto found = entries_.find(name);
    require(found != entries_.end(), "{}: byte {}: storage {} has no entry {}", file_, storage.offset,
            printable(storage.key, 200), printable(name, 200));
    return found->second.bytes;
  }

  std::size_t check() const {
    std::size_t count = 0;
    for (const auto& [name, entry] : entries_) {
      if (!name.starts_with(prefix_ + "data/")) continue;
      check_crc(file_, name, entry);
      ++count;
    }
    return count;
  }

 private:
  static std::string_view text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  const std::string& file_;
  ZipDirectory entries_;
  const ZipEntry* object_ = nullptr;
  std::string object_name_, prefix_;
};

class StreamStorages : public Storages {
 public:
  // `at` is behind the list of keys; `known` are the storages that the object speaks of.
  StreamStorages(const std::string& file, std::span<const std::byte> bytes, std::size_t at,
                 const pickle::Value& keys, const std::deque<pickle::Storage>& known)
      : file_(file) {
    std::unordered_map<std::string_view, const pickle::Storage*> by_key;
    for (const pickle::Storage& storage : known) by_key.emplace(storage.key, &storage);
    for (const pickle::Value& item : keys.items()) {
      const auto key = item.name();
      const auto found = key ? by_key.find(*key) : by_key.end();
      require(found != by_key.end(), "{}: byte {}: {} is no key of a storage of this file", file_, at,
              item.describe());
      const pickle::Storage& storage = *found->second;
      require(bytes.size() - at >= sizeof(std::int64_t),
              "{}: byte {}: storage {} is missing; the file is cut off", file_, at, printable(*key, 200));
      std::int64_t elements = 0;
      std::memcpy(&elements, bytes.data() + at, sizeof elements);
      const std::size_t width = pickle::size_of(storage.storage_class->element);
      require(width > 0, "{}: byte {}: a storage of the class {}, whose elements have no known size", file_,
              storage.offset, printable(storage.storage_class->name, 200));
      require(elements == storage.elements, "{}: byte {}: storage {} has {} elements, but {} were announced",
              file_, at, printable(*key, 200), elements, storage.elements);
      at += sizeof elements;
      const std::size_t left = bytes.size() - at;
      require(static_cast<std::uint64_t>(elements) <= left / width,
              "{}: byte {}: storage {} needs {} elements of {} bytes where {} bytes are left; the file is "
              "cut off",
              file_, at, printable(*key, 200), elements, width, left);
      const std::size_t size = static_cast<std::size_t>(elements) * width;
      require(places_.emplace(*key, bytes.subspan(at, size)).second, "{}: byte {}: storage {} is there twice",
              file_, at, printable(*key, 200));
      at += size;
    }
  }

  std::span<const std::byte> find(const pickle::Storage& storage) const override {
    const auto found = places_.find(storage.key);
    require(found != places_.end(), "{}: byte {}: storage {} is not in the list of the file", file_,
            storage.offset, printable(storage.key, 200));
    return found->second;
  }

 private:
  const std::string& file_;
  std::unordered_map<std::string_view, std::span<const std::byte>> places_;
};

// What the views of a source point at.
struct Memory {
  std::shared_ptr<const std::byte> file;
  std::deque<std::vector<std::byte>> copies;
};

// Turns tensors of a pickle into views.
class Views {
 public:
  Views(const MappedFile& file, const Storages& storages) : file_(file), storages_(storages) {
    memory_->file = file.memory;
  }

  /// The reason why a tensor is refused by its name goes into `problem`; a tensor that does not fit its storage is an Error.
  std::optional<TensorView> make(const std::string& name, const pickle::Tensor& tensor,
                                 std::string& problem) {
    const pickle::Storage& storage = *tensor.storage;
    const pickle::Symbol& storage_class = *storage.storage_class;
    if (storage_class.element == pickle::Element::kOther) {
      problem =
          fmt::format("has a storage {}.{} (byte {}), which is not read", printable(storage_class.module, 60),
                      printable(storage_class.name, 60), storage.offset);
      return std::nullopt;
    }
    const std::span<const std::byte> bytes = storages_.find(storage);
    const std::size_t width = pickle::size_of(storage_class.element);
    if (bytes.size() % width != 0 || bytes.size() / width != static_cast<std::uint64_t>(storage.elements))
      error(name, storage,
            fmt::format("its storage has {} bytes, but {} elements of {} bytes were announced", bytes.size(),
                        storage.elements, width));
    Layout layout = read_layout(name, tensor);
    if (layout.expanded || layout.elements > storage.elements) {
      problem = fmt::format(
          "is expanded: its shape [{}] has more elements than are stored; save a copy "
          "(tensor.contiguous())",
          fmt::join(layout.size, ", "));
      return std::nullopt;
    }
    TensorView view;
    view.name = name;
    view.dtype = dtype_of(storage_class.element);
    view.bytes = static_cast<std::size_t>(layout.elements) * width;
    view.data = bytes.data() + static_cast<std::size_t>(layout.elements > 0 ? tensor.first : 0) * width;
    if (!layout.row_major) view.data = copy(tensor, layout, bytes.data(), width);
    view.shape = std::move(layout.size);
    return view;
  }

  std::shared_ptr<const void> memory() const { return memory_; }

 private:
  struct Layout {
    std::vector<std::int64_t> size, stride;
    std::int64_t elements = 1;
    bool row_major = true, expanded = false;
  };

  [[noreturn]] void error(const std::string& name, const pickle::Storage& storage,
                          std::string_view what) const {
    fail("{}: byte {}: tensor {}: {}", file_.path, storage.offset, printable(name, 200), what);
  }

  Layout read_layout(const std::string& name, const pickle::Tensor& tensor) const {
    const pickle::Storage& storage = *tensor.storage;
    const auto& sizes = tensor.size->items;
    const auto& strides = tensor.stride->items;
    if (sizes.size() != strides.size() || sizes.size() > kMostExtents)
      error(name, storage,
            fmt::format("{} extents and {} strides, expected as many of each and at most {}", sizes.size(),
                        strides.size(), kMostExtents));
    Layout layout;
    std::int64_t last = tensor.first;  // the element farthest from the start
    bool overflow = false, empty = false;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      const auto size = sizes[i].integer(), stride = strides[i].integer();
      if (!size || !stride || *size < 0 || *stride < 0)
        error(name, storage, "an extent or a stride is no integer, or negative");
      layout.size.push_back(*size);
      layout.stride.push_back(*stride);
      std::int64_t step = 0;
      empty = empty || *size == 0;
      layout.expanded = layout.expanded || (*size > 1 && *stride == 0);
      overflow = overflow || __builtin_mul_overflow(std::max<std::int64_t>(*size, 1) - 1, *stride, &step) ||
                 __builtin_add_overflow(last, step, &last);
      // A zero among the extents must not hide that the others overflow.
      overflow = overflow ||
                 __builtin_mul_overflow(layout.elements, std::max<std::int64_t>(*size, 1), &layout.elements);
    }
    if (tensor.first < 0 || overflow || (!empty && last >= storage.elements) ||
        layout.elements > kMostElements)
      error(name, storage,
            fmt::format("offset {}, shape [{}] and strides [{}] reach past its storage of {} elements",
                        tensor.first, fmt::join(layout.size, ", "), fmt::join(layout.stride, ", "),
                        storage.elements));
    if (empty) layout.elements = 0;
    std::int64_t expected = 1;
    for (std::size_t i = layout.size.size(); i-- > 0 && !empty;) {
      if (layout.size[i] != 1 && layout.stride[i] != expected) layout.row_major = false;
      expected *= layout.size[i];
    }
    return layout;
  }

  // The elements in row-major order. A copy serves every tensor of the same place.
  const std::byte* copy(const pickle::Tensor& tensor, const Layout& layout, const std::byte* from,
                        std::size_t width) {
    const auto key = std::make_tuple(from, tensor.first, layout.size, layout.stride);
    if (const auto found = copied_.find(key); found != copied_.end()) return found->second;
    const std::size_t bytes = static_cast<std::size_t>(layout.elements) * width;
    copied_bytes_ += bytes;
    require(copied_bytes_ <= file_.bytes.size(),
            "{}: its tensors, put into row-major order, need more bytes than the file has; save contiguous "
            "tensors",
            file_.path);
    std::byte* const to = memory_->copies.emplace_back(bytes).data();
    std::vector<std::int64_t> index(layout.size.size(), 0);
    std::size_t at = static_cast<std::size_t>(tensor.first) * width;
    for (std::size_t i = 0; i < bytes; i += width) {
      std::memcpy(to + i, from + at, width);
      for (std::size_t d = index.size(); d-- > 0;) {
        at += static_cast<std::size_t>(layout.stride[d]) * width;
        if (++index[d] < layout.size[d]) break;
        at -= static_cast<std::size_t>(layout.stride[d] * layout.size[d]) * width;
        index[d] = 0;
      }
    }
    copied_.emplace(key, to);
    return to;
  }

  static constexpr std::int64_t kMostElements = std::numeric_limits<std::int64_t>::max() / 8;

  const MappedFile& file_;
  const Storages& storages_;
  std::shared_ptr<Memory> memory_ = std::make_shared<Memory>();
  std::map<std::tuple<const std::byte*, std::int64_t, std::vector<std::int64_t>, std::vector<std::int64_t>>,
           const std::byte*>
      copied_;
  std::size_t copied_bytes_ = 0;
};

TensorSource make_source(const MappedFile& file, const pickle::Document& object, const Storages& storages,
                         const char* format) {
  StateDict found = find_state_dict(file.path, object.root);
  require(found.entries.size() <= kMostTensors,
          "{}: holds {} entries in its dict of tensors, where {} are the most", file.path,
          found.entries.size(), kMostTensors);
  found.facts["pytorch.format"] = format;
  found.facts["pytorch.dict"] = found.place;
  Views views(file, storages);
  std::vector<TensorView> tensors;
  std::map<std::string, std::string> refused;
  for (const auto& [name, value] : found.entries) {
    std::string problem;
    if (const pickle::Tensor* const tensor = value.tensor()) {
      if (auto view = views.make(name, *tensor, problem)) {
        tensors.push_back(std::move(*view));
        continue;
      }
    } else {
      problem = fmt::format("is {}; expected a tensor", value.describe());
    }
    refused.emplace(name, std::move(problem));
  }
  return TensorSource(file.path, std::move(tensors), std::move(found.facts), views.memory(),
                      std::move(refused));
}

TensorSource read_zip(const MappedFile& file) {
  const ZipStorages storages(file.path, read_zip_directory(file.path, file.bytes));
  const ZipEntry& object = storages.object();
  // With the bytes before it, so that offsets in messages are those of the file.
  const auto bytes = file.bytes.first(object.offset + object.bytes.size());
  return make_source(file, pickle::read(file.path, bytes, {object.offset, true}), storages, "zip");
}

TensorSource read_stream(const MappedFile& file) {
  constexpr std::string_view kMagic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);
  constexpr std::int64_t kProtocol = 1001;
  std::size_t at = 0;
  const auto next = [&](bool persistent_ids) {
    pickle::Document document = pickle::read(file.path, file.bytes, {at, persistent_ids});
    at = document.end;
    return document;
  };
  const pickle::Document magic = next(false);
  require(magic.root.kind() == pickle::Kind::kBigInt && magic.root.slice() == kMagic,
          "{}: byte 0: is a pickle that begins with {}, expected the magic number of a file of PyTorch",
          file.path, magic.root.describe());
  const std::size_t second = at;
  const pickle::Document protocol = next(false);
  require(protocol.root.integer() == kProtocol, "{}: byte {}: protocol is {}, expected {}", file.path, second,
          protocol.root.describe(), kProtocol);
  const std::size_t third = at;
  const pickle::Document system = next(false);
  const pickle::Value* const little =
      system.root.dict() != nullptr ? system.root.dict()->find("little_endian") : nullptr;
  require(little != nullptr && little->integer() == 1,
          "{}: byte {}: its tensors are not marked as little-endian; save the file anew on a little-endian "
          "machine",
          file.path, third);
  const pickle::Document object = next(true);
  const std::size_t fifth = at;
  const pickle::Document keys = next(false);
  require(keys.root.kind() == pickle::Kind::kList, "{}: byte {}: {} where the list of storages is expected",
          file.path, fifth, keys.root.describe());
  return make_source(file, object, StreamStorages(file.path, file.bytes, at, keys.root, object.storages()),
                     "stream");
}

}  // namespace

bool is_pytorch(std::span<const std::byte> bytes) { return is_zip(bytes) || pickle::is_pickle(bytes); }

TensorSource read_pytorch(const MappedFile& file) {
  return is_zip(file.bytes) ? read_zip(file) : read_stream(file);
}

std::size_t check_storages(const MappedFile& file) {
  if (!is_zip(file.bytes)) return 0;
  return ZipStorages(file.path, read_zip_directory(file.path, file.bytes)).check();
}

}  // namespace qcface
