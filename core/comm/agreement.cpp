#include "core/comm/agreement.h"

#include <algorithm>
#include <cstdint>

namespace qcface {

bool any_rank(Communicator& communicator, bool mine) {
  std::int32_t value = mine ? 1 : 0;
  communicator.all_reduce(array_of(&value, 1), Reduce::kMax);
  return value != 0;
}

std::vector<std::string> texts_of_ranks(Communicator& communicator, const std::string& mine) {
  const auto ranks = static_cast<std::size_t>(communicator.size());
  const auto count = static_cast<std::int64_t>(ranks);
  const auto own = static_cast<std::int64_t>(mine.size());
  std::vector<std::int64_t> sizes(ranks);
  communicator.all_gather(array_of(&own, 1), array_of(sizes.data(), count));
  // Rows of one length: the longest.
  const std::int64_t width = *std::max_element(sizes.begin(), sizes.end());
  std::string row = mine, rows(static_cast<std::size_t>(count * width), '\0');
  row.resize(static_cast<std::size_t>(width));
  communicator.all_gather(array_of(row.data(), 1, width), array_of(rows.data(), count, width));
  std::vector<std::string> texts;
  for (std::size_t r = 0; r < ranks; ++r)
    texts.push_back(rows.substr(r * static_cast<std::size_t>(width), static_cast<std::size_t>(sizes[r])));
  return texts;
}

std::string leaders_text(Communicator& communicator, const std::string& mine) {
  std::string text = mine;
  auto size = static_cast<std::int64_t>(text.size());
  communicator.broadcast(array_of(&size, 1), 0);
  text.resize(static_cast<std::size_t>(size));
  communicator.broadcast(array_of(text.data(), size), 0);
  return text;
}

}  // namespace qcface
