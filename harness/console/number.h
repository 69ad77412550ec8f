// Numbers of options. The command line and configuration files go through the same check: the whole text is the
// number, it fits its type, and it lies within the option's range.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace qcface {

constexpr std::uint64_t kLargestSeed = std::numeric_limits<std::uint64_t>::max();

/// T: int, std::int64_t, std::uint64_t or double. Integers are decimal ("0x10" and "1e3" are refused, "010" is ten); a
/// real number is finite, and may be written as an integer.
template <class T>
struct NumberRange {
  T low, high;

  /// Both throw UsageError: "<option> is <value>, expected an integer from 1 to 10"; `option` may begin with a file.
  T from_text(std::string_view text, const std::string& option) const;
  T from_json(const nlohmann::ordered_json& value, const std::string& option) const;
  std::string text() const;  // "1..10"
};

/// The number type of an option: of a list its elements'.
template <class T>
struct NumberOf {
  using type = T;
};
template <class T>
struct NumberOf<std::vector<T>> {
  using type = T;
};
template <class T, std::size_t N>
struct NumberOf<std::array<T, N>> {
  using type = T;
};

}  // namespace qcface
