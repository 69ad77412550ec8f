// Names of classes by label, in as little memory as they need: every process of a run has those of all classes, of which there
// may be tens of millions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qcface::data {

/// Names in the order of their labels. Runs of numbers from 0 on ("0", "1", "2", ...), which is what RecordIO has, take no
/// memory for each, other names their bytes and one or two more. Names are bytes of any kind, the empty name included.
class ClassNames {
 public:
  ClassNames() = default;
  ClassNames(std::initializer_list<std::string_view> names);
  explicit ClassNames(std::span<const std::string> names);
  /// "0", "1", ... up to count - 1.
  static ClassNames numbers(std::size_t count);

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  /// Whether every name is its label.
  bool are_numbers() const { return runs_.empty() || (runs_.size() == 1 && runs_[0].numbers); }
  /// In time that grows with the logarithm of the number of runs.
  std::string operator[](std::size_t label) const;
  std::string front() const { return (*this)[0]; }
  /// Calls take(name) with the views of labels first .. end - 1 in their order; a view is good until take returns.
  template <class Take>
  void for_each(Take take, std::size_t first = 0, std::size_t end = kAll) const;

  void push_back(std::string_view name);
  void append(const ClassNames& names);
  /// Bytes that the names take.
  std::size_t memory() const;

  bool operator==(const ClassNames& other) const;

 private:
  static constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t kChunk = 64;  // names
  // Names that stand together: the numbers from 0 on, or those of the chunks from place `stored` on.
  struct Run {
    std::size_t first;  // label
    std::size_t stored;
    bool numbers;
  };
  // Of the run that a label is in.
  std::size_t run_of(std::size_t label) const;
  std::size_t end_of(std::size_t run) const { return run + 1 < runs_.size() ? runs_[run + 1].first : size_; }
  // Where the name at a place of a chunk begins, and the name; `at` goes on to the next.
  std::size_t begin_of(std::size_t place) const;
  static std::string_view name_at(std::string_view chunk, std::size_t& at);
  static std::string_view decimal(std::size_t number, std::span<char, 20> digits);

  std::vector<Run> runs_;
  std::vector<std::string>
      chunks_;  // of each name its length, 7 bits a byte from the lowest on, and its bytes
  std::size_t size_ = 0, stored_ = 0;
};

/// Labels by name: 6 to 12 bytes a label, and none for names that are numbers.
class ClassIndex {
 public:
  /// Of `names`, which is borrowed; it may grow behind the labels that were added.
  explicit ClassIndex(const ClassNames& names) : names_(names) {}
  /// The first label with the name of this one, which is this one itself unless it is known already.
  std::int64_t add(std::int64_t label);
  void add_all();
  /// The first label with that name; -1: none.
  std::int64_t find(std::string_view name) const;

 private:
  std::size_t slot_of(std::string_view name) const;
  void grow();

  const ClassNames& names_;
  std::vector<std::int32_t> slots_;  // label, or -1
  std::int64_t numbers_ = 0;         // labels 0 .. numbers_ - 1 are their own names and in no slot
  std::size_t used_ = 0;
};

template <class Take>
void ClassNames::for_each(Take take, std::size_t first, std::size_t end) const {
  if (end > size_) end = size_;
  if (first >= end) return;
  char digits[20];
  std::size_t label = first;
  for (std::size_t r = run_of(first); label < end; ++r) {
    const Run& run = runs_[r];
    const std::size_t run_end = end_of(r) < end ? end_of(r) : end;
    if (run.numbers) {
      for (; label < run_end; ++label) take(decimal(label - run.first, digits));
      continue;
    }
    std::size_t place = run.stored + (label - run.first), at = begin_of(place);
    for (; label < run_end; ++label, ++place) {
      if (place % kChunk == 0) at = 0;
      take(name_at(chunks_[place / kChunk], at));
    }
  }
}

}  // namespace qcface::data
