#include "harness/console/number.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <system_error>
#include <type_traits>
#include <utility>

#include "core/text.h"
#include "harness/console/usage.h"

namespace qcface {
namespace {

constexpr std::size_t kLongestShown = 100;  // bytes of a wrong value in a message

template <class T>
constexpr const char* kKind = std::is_integral_v<T> ? "an integer" : "a number";

template <class T>
bool inside(T value, const NumberRange<T>& range) {
  return value >= range.low && value <= range.high;  // false for NaN
}

template <class T>
[[noreturn]] void refuse(const std::string& option, std::string_view value, const NumberRange<T>& range) {
  throw UsageError(fmt::format("{} is {}, expected {} from {} to {}", option, printable(value, kLongestShown),
                               kKind<T>, range.low, range.high));
}

}  // namespace

template <class T>
T NumberRange<T>::from_text(std::string_view text, const std::string& option) const {
  std::string_view digits = text;
  if (digits.size() > 1 && digits[0] == '+' && digits[1] != '-') digits.remove_prefix(1);
  T value{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size() || !inside(value, *this)) {
    refuse(option, text.empty() ? "empty" : text, *this);
  }
  return value;
}

template <class T>
T NumberRange<T>::from_json(const nlohmann::ordered_json& value, const std::string& option) const {
  if constexpr (std::is_integral_v<T>) {
    // An integer of 64 bits or more is unsigned or a real number here, never wrapped.
    if (value.is_number_unsigned() && std::in_range<T>(value.get<std::uint64_t>())) {
      if (const T number = value.get<T>(); inside(number, *this)) return number;
    } else if (value.is_number_integer() && !value.is_number_unsigned() &&
               std::in_range<T>(value.get<std::int64_t>())) {
      if (const T number = value.get<T>(); inside(number, *this)) return number;
    }
  } else {
    if (value.is_number() && inside(value.get<T>(), *this)) return value.get<T>();
  }
  refuse(option, value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace), *this);
}

template <class T>
std::string NumberRange<T>::text() const {
  return fmt::format("{}..{}", low, high);
}

template struct NumberRange<int>;
template struct NumberRange<std::int64_t>;
template struct NumberRange<std::uint64_t>;
template struct NumberRange<double>;

}  // namespace qcface
