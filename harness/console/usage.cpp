#include "harness/console/usage.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <limits>

namespace qcface {
namespace {

constexpr std::size_t kLongest = 64;  // of a word that is compared: the effort grows with its square

std::string plain(std::string_view word) {
  word.remove_prefix(std::min(word.find_first_not_of('-'), word.size()));
  std::string text(word.substr(0, kLongest));
  for (char& c : text) c = c == '_' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// Optimal string alignment distance.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> before, last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = last;
    last = row;
  }
  return last[b.size()];
}

}  // namespace

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string wanted = plain(word);
  const std::string* best = nullptr;
  std::size_t fewest = std::numeric_limits<std::size_t>::max();
  for (const std::string& candidate : candidates) {
    const std::string other = plain(candidate);
    const std::size_t letters = distance(wanted, other);
    // Of short words everything is near; a third of the letters may differ, two in any word of three or more.
    const std::size_t longer = std::max(wanted.size(), other.size());
    const std::size_t allowed = std::max<std::size_t>(longer / 3, longer >= 3 ? 2 : 0);
    if (letters <= allowed && letters < longer && letters < fewest) {
      fewest = letters;
      best = &candidate;
    }
  }
  return best != nullptr ? "; did you mean " + *best + "?" : "";
}

}  // namespace qcface
