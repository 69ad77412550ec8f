#include "harness/eval/protocols/quality_sets.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <set>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "harness/data/lists/list_text.h"
#include "harness/data/lists/picture_list.h"
#include "harness/data/sets/image_folder.h"
#include "harness/data/sets/pack_set.h"
#include "harness/data/sets/record_set.h"
#include "harness/data/sets/verification_pack.h"

namespace qcface::eval {
namespace {

namespace fs = std::filesystem;

std::unique_ptr<data::PictureSource> from_files(const std::vector<std::string>& files) {
  return std::make_unique<data::ImageFolder>(data::ImageFolder::from_files(files));
}

bool is_list(const fs::path& place) {
  const std::string suffix = data::lower_case(place.extension().string());
  return suffix == ".txt" || suffix == ".csv" || suffix == ".list";
}

std::vector<std::string> listed(const fs::path& list, const fs::path& root, const data::PictureNames* names) {
  const data::ListText text(list);
  std::vector<std::string> files;
  for (const data::ListLine& line : text.lines()) {
    fs::path file = root / std::string(line.text);
    require(data::picture_is_there(file, names), "{}: line {}: there is no picture {}", list.string(),
            line.number, printable(file.string(), 300));
    files.push_back(file.string());
  }
  require(!files.empty(), "{}: no picture is listed", list.string());
  return files;
}

// The names that have `place` as a folder, at their beginning or inside.
std::vector<std::string> below(const std::string& place, const data::PictureNames& names) {
  std::string folder = fs::path(place).lexically_normal().generic_string();
  if (!folder.ends_with('/')) folder += '/';
  std::vector<std::string> files;
  for (std::size_t row = 0; row < names.size(); ++row) {
    const std::string& name = names[row];
    if (name.starts_with(folder) || name.find("/" + folder) != std::string::npos) files.push_back(name);
  }
  require(!files.empty(), "--sets: {} has no name with the folder {}; a set may also be a list of names",
          names.what(), printable(folder, 300));
  return files;
}

std::unique_ptr<data::PictureSource> open_set(const std::string& place, const fs::path& root,
                                              const data::PictureNames* names) {
  const fs::path path = place;
  std::error_code error;
  if (is_list(path)) return from_files(listed(path, root, names));
  if (names != nullptr) return from_files(below(place, *names));
  if (data::is_verification_pack(path)) return std::make_unique<data::VerificationPack>(path);
  if (fs::is_directory(path, error) && !data::is_pack(path) && !data::is_record_set(path))
    return from_files(data::list_pictures(path).files);
  return data::open_pictures(place);
}

}  // namespace

std::vector<NamedSet> open_sets(std::string_view places, const fs::path& root,
                                const data::PictureNames* names) {
  std::vector<NamedSet> sets;
  std::set<std::string> taken;
  for (const fs::path& entry : data::split_places(places)) {
    std::string place = entry.string(), name;
    if (const std::size_t equals = place.find('='); equals != std::string::npos && equals > 0) {
      name = place.substr(0, equals);
      place = place.substr(equals + 1);
      require(!place.empty(), "--sets: {} names no place", printable(entry.string(), 300));
    } else {
      const fs::path normal = (fs::path(place) / "").parent_path();
      name = is_list(normal) ? normal.stem().string() : normal.filename().string();
    }
    require(taken.insert(name).second, "--sets: two sets are called {}; put NAME= in front of a place",
            printable(name, 200));
    sets.push_back({name, open_set(place, root, names)});
  }
  return sets;
}

MagnitudeSet magnitude_set(std::string name, const Embeddings& embeddings) {
  MagnitudeSet set;
  set.name = std::move(name);
  for (std::size_t i = 0; i < embeddings.magnitudes.size(); ++i) {
    if (embeddings.valid[i]) {
      set.magnitudes.push_back(embeddings.magnitudes[i]);
    } else {
      ++set.unreadable;
    }
  }
  return set;
}

MagnitudeHistogram magnitude_histogram(std::span<const MagnitudeSet> sets) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const MagnitudeSet& set : sets) {
    require(!set.magnitudes.empty(), "magnitudes: no picture of the set {} could be read",
            printable(set.name, 200));
    const auto [first, last] = std::minmax_element(set.magnitudes.begin(), set.magnitudes.end());
    low = std::min(low, *first);
    high = std::max(high, *last);
  }
  if (!(high > low)) {  // all alike: one bin in the middle
    const double room = low > 0 ? low / 10 : 1;
    low -= room;
    high += room;
  }
  MagnitudeHistogram histogram;
  for (int i = 0; i < kHistogramBins; ++i) histogram.edges.push_back(low + (high - low) * i / kHistogramBins);
  histogram.edges.push_back(high);
  for (const MagnitudeSet& set : sets) {
    std::vector<std::int64_t>& counts = histogram.counts.emplace_back(kHistogramBins, 0);
    for (const double magnitude : set.magnitudes) {
      const double bin = (magnitude - low) / (high - low) * kHistogramBins;
      counts[std::min(static_cast<std::size_t>(bin), counts.size() - 1)] += 1;
    }
    histogram.stats.push_back(level_stats(0, set.magnitudes));
  }
  return histogram;
}

}  // namespace qcface::eval
