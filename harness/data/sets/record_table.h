// Keys and offsets of the records of a set: 5 bytes a record where keys count on by one, as they mostly do, else 9 or 13.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace qcface::data {

class RecordTable {
 public:
  /// Offsets are multiples of 4 below this.
  static constexpr std::uint64_t kEnd = std::uint64_t{1} << 42;

  std::size_t size() const { return low_.size(); }
  std::uint64_t offset(std::size_t i) const { return ((std::uint64_t{high_[i]} << 32) | low_[i]) * 4; }
  std::uint64_t key(std::size_t i) const {
    if (!wide_keys_.empty()) return wide_keys_[i];
    return keys_.empty() ? first_key_ + i : keys_[i];
  }

  void add(std::uint64_t key, std::uint64_t offset) {
    put_key(size(), key);
    low_.push_back(static_cast<std::uint32_t>(offset / 4));
    high_.push_back(static_cast<std::uint8_t>(offset >> 34));
  }
  std::size_t reserved() const { return reserved_; }
  /// Room for so many without a copy. Memory that is not used yet costs nothing, so a guess may be generous.
  void reserve(std::size_t count) {
    reserved_ = count;
    low_.reserve(count);
    high_.reserve(count);
    if (!keys_.empty()) keys_.reserve(count);
  }
  /// Keeps the records that keep(i) is true for, in their order.
  template <class Keep>
  void filter(Keep keep) {
    RecordTable kept;
    std::size_t count = 0;
    bool counts = true;
    for (std::size_t i = 0; i < size(); ++i) {
      if (!keep(i)) continue;
      if (count == 0) kept.first_key_ = key(i);
      counts = counts && key(i) == kept.first_key_ + count;
      low_[count] = low_[i];
      high_[count] = high_[i];
      if (!keys_.empty()) keys_[count] = keys_[i];
      if (!wide_keys_.empty()) wide_keys_[count] = wide_keys_[i];
      ++count;
    }
    low_.resize(count);
    high_.resize(count);
    if (counts) {
      first_key_ = kept.first_key_;
      keys_ = {};
      wide_keys_ = {};
    }
    if (!keys_.empty()) keys_.resize(count);
    if (!wide_keys_.empty()) wide_keys_.resize(count);
  }

 private:
  void put_key(std::size_t at, std::uint64_t key) {
    if (at == 0) first_key_ = key;
    if (keys_.empty() && wide_keys_.empty()) {
      if (key == first_key_ + at) return;
      if (first_key_ + at <= UINT32_MAX) {
        keys_.reserve(reserved_);
        for (std::size_t i = 0; i < at; ++i) keys_.push_back(static_cast<std::uint32_t>(first_key_ + i));
      } else {
        for (std::size_t i = 0; i < at; ++i) wide_keys_.push_back(first_key_ + i);
      }
    }
    if (!wide_keys_.empty() || key > UINT32_MAX) {
      if (wide_keys_.empty()) wide_keys_.assign(keys_.begin(), keys_.end());
      keys_ = {};
      wide_keys_.push_back(key);
      return;
    }
    keys_.push_back(static_cast<std::uint32_t>(key));
  }

  std::vector<std::uint32_t> low_;  // of offset / 4
  std::vector<std::uint8_t> high_;
  std::uint64_t first_key_ = 0;  // where both columns of keys are empty key i is first_key_ + i
  std::vector<std::uint32_t> keys_;
  std::vector<std::uint64_t> wide_keys_;
  std::size_t reserved_ = 0;
};

}  // namespace qcface::data
