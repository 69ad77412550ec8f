#include "harness/data/sets/class_names.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <optional>

#include "core/error.h"

namespace qcface::data {
namespace {

// The number whose decimal digits these are, without zeros in front.
std::optional<std::int64_t> number_of(std::string_view name) {
  if (name.empty() || name.size() > 10 || (name.front() == '0' && name.size() > 1)) return std::nullopt;
  std::int64_t number = 0;
  for (const char c : name) {
    if (c < '0' || c > '9') return std::nullopt;
    number = 10 * number + (c - '0');
  }
  return number;
}

}  // namespace

ClassNames::ClassNames(std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) push_back(name);
}

ClassNames::ClassNames(std::span<const std::string> names) {
  for (const std::string& name : names) push_back(name);
}

ClassNames ClassNames::numbers(std::size_t count) {
  ClassNames names;
  if (count > 0) names.runs_.push_back({0, 0, true});
  names.size_ = count;
  return names;
}

std::string_view ClassNames::decimal(std::size_t number, std::span<char, 20> digits) {
  const auto written = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  return {digits.data(), written.ptr};
}

std::size_t ClassNames::run_of(std::size_t label) const {
  const auto after = std::upper_bound(runs_.begin(), runs_.end(), label,
                                      [](std::size_t l, const Run& run) { return l < run.first; });
  return static_cast<std::size_t>(after - runs_.begin()) - 1;
}

std::string_view ClassNames::name_at(std::string_view chunk, std::size_t& at) {
  std::size_t length = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(chunk[at++]);
    length |= static_cast<std::size_t>(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  const std::string_view name = chunk.substr(at, length);
  at += length;
  return name;
}

std::size_t ClassNames::begin_of(std::size_t place) const {
  std::size_t at = 0;
  for (std::size_t skipped = place / kChunk * kChunk; skipped < place; ++skipped)
    name_at(chunks_[place / kChunk], at);
  return at;
}

std::string ClassNames::operator[](std::size_t label) const {
  const Run& run = runs_[run_of(label)];
  char digits[20];
  if (run.numbers) return std::string(decimal(label - run.first, digits));
  const std::size_t place = run.stored + (label - run.first);
  std::size_t at = begin_of(place);
  return std::string(name_at(chunks_[place / kChunk], at));
}

void ClassNames::push_back(std::string_view name) {
  char digits[20];
  const bool goes_on =
      !runs_.empty() && runs_.back().numbers && name == decimal(size_ - runs_.back().first, digits);
  if (goes_on || name == "0") {
    if (!goes_on) runs_.push_back({size_, 0, true});
    ++size_;
    return;
  }
  if (runs_.empty() || runs_.back().numbers) runs_.push_back({size_, stored_, false});
  if (stored_ % kChunk == 0) {
    if (!chunks_.empty()) chunks_.back().shrink_to_fit();
    chunks_.emplace_back();
  }
  std::string& chunk = chunks_.back();
  std::size_t length = name.size();
  for (; length >= 0x80; length >>= 7) chunk += static_cast<char>(0x80 | (length & 0x7f));
  chunk += static_cast<char>(length);
  chunk += name;
  ++stored_;
  ++size_;
}

void ClassNames::append(const ClassNames& names) {
  for (std::size_t r = 0; r < names.runs_.size(); ++r) {
    const std::size_t first = names.runs_[r].first, end = names.end_of(r);
    if (!names.runs_[r].numbers) {
      names.for_each([this](std::string_view name) { push_back(name); }, first, end);
      continue;
    }
    runs_.push_back({size_, 0, true});
    size_ += end - first;
  }
}

std::size_t ClassNames::memory() const {
  std::size_t bytes = runs_.capacity() * sizeof(Run) + chunks_.capacity() * sizeof(std::string);
  for (const std::string& chunk : chunks_) bytes += chunk.capacity();
  return bytes;
}

bool ClassNames::operator==(const ClassNames& other) const {
  if (size_ != other.size_) return false;
  if (are_numbers() && other.are_numbers()) return true;
  std::size_t label = 0;
  bool same = true;
  for_each([&](std::string_view name) { same = same && other[label++] == name; });
  return same;
}

void ClassIndex::add_all() {
  const auto size = static_cast<std::int64_t>(names_.size());
  if (names_.are_numbers() && used_ == 0) {
    numbers_ = size;
    return;
  }
  for (std::int64_t label = 0; label < size; ++label) add(label);
}

std::int64_t ClassIndex::find(std::string_view name) const {
  if (const auto number = number_of(name); number && *number < numbers_) return *number;
  return slots_.empty() ? -1 : slots_[slot_of(name)];
}

std::int64_t ClassIndex::add(std::int64_t label) {
  require(label <= std::numeric_limits<std::int32_t>::max(), "class {}: expected at most 2^31 classes",
          label);
  const std::string name = names_[static_cast<std::size_t>(label)];
  if (const std::int64_t known = find(name); known >= 0) return known;
  if (used_ == 0 && label == numbers_ && number_of(name) == label) return numbers_++;
  if (used_ * 3 >= slots_.size() * 2) grow();
  slots_[slot_of(name)] = static_cast<std::int32_t>(label);
  ++used_;
  return label;
}

// Where the name is, or the free slot where it belongs: open addressing, so that a label takes no more than its number.
std::size_t ClassIndex::slot_of(std::string_view name) const {
  std::size_t slot = std::hash<std::string_view>{}(name) & (slots_.size() - 1);
  while (slots_[slot] >= 0 && names_[static_cast<std::size_t>(slots_[slot])] != name)
    slot = (slot + 1) & (slots_.size() - 1);
  return slot;
}

void ClassIndex::grow() {
  const std::vector<std::int32_t> before = std::move(slots_);
  slots_.assign(std::max<std::size_t>(16, 2 * before.size()), -1);
  for (const std::int32_t label : before) {
    if (label < 0) continue;
    const std::string name = names_[static_cast<std::size_t>(label)];
    std::size_t slot = std::hash<std::string_view>{}(name) & (slots_.size() - 1);
    while (slots_[slot] >= 0) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot] = label;
  }
}

}  // namespace qcface::data
