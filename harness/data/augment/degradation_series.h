// A degradation series: clean pictures, each in every kind of degradation at every level of the study (protocols.md section 13).
//
//   <out>/<kind>/<source>_<level>.png   pictures; level 0 is the clean source itself
//   <out>/levels.csv                    file,source,kind,level (larger = worse); written last, so it marks a complete series
//   <out>/sources.csv                   source,picture: which picture of the set each source is
//
// The same options give the same files, byte for byte, with any number of threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "harness/data/augment/degrade.h"
#include "harness/data/image.h"

namespace qcface::data {

inline constexpr const char* kLevelsHeader = "file,source,kind,level\n";

/// "000" and on, as files and lists name the sources of a series.
std::string series_source(std::int64_t index);
/// The rows of levels.csv of one source.
std::string series_rows(std::int64_t index);
/// The folders of the kinds.
void make_series_folders(const std::filesystem::path& folder);
/// Every kind at every level of one clean picture; random parts are those of (seed, index).
void write_series(const std::filesystem::path& folder, const Image& clean, std::uint64_t seed,
                  std::int64_t index);
/// Pictures a source becomes.
std::int64_t series_length();

struct DegradationSeriesOptions {
  std::string places;  // picture set(s), see open_pictures
  std::filesystem::path out;
  int sources = 200;       // or as many as the set has identities, if that is less
  std::uint64_t seed = 0;  // of the choice and of the random parts
  int side = 112;          // pictures are brought to this size first: levels are in its pixels
  int threads = 0;         // 0: all cores
};

struct DegradationSeriesResult {
  std::int64_t sources = 0, pictures = 0;
  std::int64_t unreadable = 0;  // chosen, could not be decoded; another picture stands in
};

/// Chooses that many identities of the set, at random by (seed), and of each the first picture that can be read. Throws Error for
/// an output folder that holds something else than a series that was stopped, and where no picture can be read.
/// progress(done, sources) is called from the calling thread.
DegradationSeriesResult make_degradation_series(
    const DegradationSeriesOptions& options,
    const std::function<void(std::int64_t, std::int64_t)>& progress = {});

}  // namespace qcface::data
