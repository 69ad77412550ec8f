// Errors of how the program was called: an option, a command or a value of one. They exit with 2; an error of the
// work itself exits with 1.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"

namespace qcface {

class UsageError : public Error {
 public:
  using Error::Error;
};

/// Throws UsageError unless the condition holds. The message names the option and what was expected.
template <class... Args>
void require_usage(bool condition, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) throw UsageError(fmt::format(format, std::forward<Args>(args)...));
}

/// "; did you mean --batch-size?" for the candidate that takes the fewest letters inserted, left out, replaced or
/// exchanged with their neighbour; dashes in front, '-' against '_' and capitals do not count. "" where none is near.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace qcface
