#include "harness/data/sets/verification_pack.h"

#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/pickle/reader.h"

namespace qcface::data {
namespace {

using pickle::Kind;
using pickle::Value;

// The labels: a list of truth values, or an array of them.
std::vector<char> read_labels(const std::string& file, const Value& labels) {
  std::vector<char> same;
  const auto add = [&](std::int64_t label) {
    require(label == 0 || label == 1, "{}: label {} (counted from 0) is {}, expected 0 or 1", file,
            same.size(), label);
    same.push_back(static_cast<char>(label));
  };
  if (const pickle::Array* const array = labels.array()) {
    std::vector<std::uint8_t> buffer;
    std::span<const std::byte> bytes;
    const char* problem = "";
    const auto shape = pickle::open_array(*array, buffer, bytes, problem);
    require(shape.has_value(), "{}: the array of labels cannot be read: {}", file, problem);
    const pickle::Element element = array->type->element;
    require(shape->size() == 1 && element != pickle::Element::kF32 && element != pickle::Element::kF64,
            "{}: the labels have {} dimensions, or are no integers; expected one truth value a pair", file,
            shape->size());
    const std::size_t width = pickle::size_of(element);
    for (std::size_t at = 0; at < bytes.size(); at += width) {
      std::int64_t label = 0;
      if (width == 1) {
        label = static_cast<std::uint8_t>(bytes[at]);
      } else if (width == 4) {
        std::int32_t narrow = 0;
        std::memcpy(&narrow, bytes.data() + at, sizeof narrow);
        label = narrow;
      } else {
        std::memcpy(&label, bytes.data() + at, sizeof label);
      }
      add(label);
    }
    return same;
  }
  require(labels.sequence() != nullptr, "{}: {} where the list of labels is expected", file,
          labels.describe());
  for (const Value& item : labels.items()) {
    const auto label = item.integer();
    require(label.has_value(), "{}: label {} (counted from 0) is {}, expected a truth value", file,
            same.size(), item.describe());
    add(*label);
  }
  return same;
}

}  // namespace

bool is_verification_pack(const std::filesystem::path& file) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error)) return false;
  const MappedFile mapped = map_file(file);
  return !mapped.bytes.empty() && mapped.bytes[0] == std::byte{0x80};
}

VerificationPack::VerificationPack(const std::filesystem::path& file) : VerificationPack(map_file(file)) {}

VerificationPack::VerificationPack(MappedFile file) : file_(std::move(file)) {
  const std::string& path = file_.path;
  require(pickle::is_pickle(file_.bytes),
          "{}: byte 0: not a verification pack (.bin), which is a pickle and begins with the bytes 0x80 and "
          "2 to 5",
          path);
  const pickle::Document document = pickle::read(path, file_.bytes);
  const auto parts = document.root.items();
  require(parts.size() == 2, "{}: holds {}, expected the pair of pictures and labels of a verification pack",
          path, document.root.describe());
  require(parts[0].sequence() != nullptr, "{}: {} where the list of pictures is expected", path,
          parts[0].describe());
  std::vector<std::uint8_t> buffer;
  std::size_t converted = 0;
  for (const Value& item : parts[0].items()) {
    Value bytes = item;
    if (const pickle::Array* const array = item.array()) {
      std::span<const std::byte> opened;
      const char* problem = "";
      // Arrays that share their bytes would be work without end in a small file.
      if (array->bytes.kind() == Kind::kLatin1) converted += array->bytes.slice().size();
      require(converted <= file_.bytes.size(), "{}: picture {} (counted from 0) shares its bytes with others",
              path, pictures_.size());
      const auto shape = pickle::open_array(*array, buffer, opened, problem);
      require(shape.has_value(), "{}: the array of picture {} (counted from 0) cannot be read: {}", path,
              pictures_.size(), problem);
      require(array->type->element == pickle::Element::kU8 &&
                  (shape->size() == 1 || (shape->size() == 2 && (*shape)[1] == 1)),
              "{}: the array of picture {} (counted from 0) is not of u1 in the shape (n,) or (n, 1)", path,
              pictures_.size());
      bytes = array->bytes;
    }
    require(bytes.kind() == Kind::kBytes || bytes.kind() == Kind::kLatin1,
            "{}: picture {} (counted from 0) is {}, expected the bytes of a picture file", path,
            pictures_.size(), bytes.describe());
    const std::string_view slice = bytes.slice();
    pictures_.push_back({slice.data(), slice.size(), bytes.kind() == Kind::kLatin1});
  }
  same_ = read_labels(path, parts[1]);
  require(!same_.empty(), "{}: holds no pair", path);
  require(pictures_.size() == 2 * same_.size(),
          "{}: holds {} pictures and {} labels, expected two pictures a label", path, pictures_.size(),
          same_.size());
  label_of_.assign(pictures_.size(), 0);
  class_names_ = {std::filesystem::path(path).stem().string()};
  num_classes_ = 1;
}

PairList VerificationPack::pairs() const {
  PairList list;
  for (std::int64_t i = 0; i < size(); ++i) list.images.push_back(name(i));
  for (std::size_t k = 0; k < same_.size(); ++k)
    list.pairs.emplace_back(static_cast<int>(2 * k), static_cast<int>(2 * k + 1));
  list.same = same_;
  return list;
}

std::string VerificationPack::name(std::int64_t index) const {
  return file_.path + "/" + std::to_string(index);
}

std::uint64_t VerificationPack::stored_bytes(std::int64_t index) const {
  return pictures_[static_cast<std::size_t>(index)].bytes;
}

DecodeResult VerificationPack::read(std::int64_t index, std::vector<std::uint8_t>& buffer,
                                    StoredPicture& picture) const {
  const Picture& stored = pictures_[static_cast<std::size_t>(index)];
  const Value value =
      Value::of_slice(stored.latin1 ? Kind::kLatin1 : Kind::kBytes, {stored.start, stored.bytes});
  const auto bytes = pickle::bytes_of(value, buffer);
  if (!bytes) return {DecodeStatus::kCorrupt, "its text holds characters that are no bytes"};
  picture = {{reinterpret_cast<const std::uint8_t*>(bytes->data()), bytes->size()}, 0, 0};
  return {};
}

}  // namespace qcface::data
