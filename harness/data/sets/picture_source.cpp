#include "harness/data/sets/picture_source.h"

#include <cstddef>

#include "core/error.h"

namespace qcface::data {
namespace fs = std::filesystem;

std::string PictureSource::name_in_set(std::int64_t index) const {
  const std::string path = name(index);
  const std::size_t slash = path.rfind('/');
  const std::size_t before = slash == std::string::npos || slash == 0 ? 0 : path.rfind('/', slash - 1) + 1;
  return path.substr(before);
}

std::vector<fs::path> split_places(std::string_view comma_separated) {
  std::vector<fs::path> places;
  for (std::size_t begin = 0;;) {
    const std::size_t comma = comma_separated.find(',', begin);
    const std::string_view place = comma_separated.substr(begin, comma - begin);
    require(!place.empty(), "data sets '{}': expected paths separated by single commas", comma_separated);
    places.emplace_back(place);
    if (comma == std::string_view::npos) return places;
    begin = comma + 1;
  }
}

}  // namespace qcface::data
