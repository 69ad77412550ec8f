// Magnitude against known degradation (protocols.md section 13).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "harness/data/lists/picture_names.h"
#include "harness/eval/features/features.h"

namespace qcface::eval {

/// levels.csv of `qcface data synth`: header file,source,kind,level; files are relative to the folder of the
/// CSV. Read as spreadsheets write it: with a byte order mark, CR LF and quoted fields.
struct DegradationSet {
  struct Entry {
    std::string file;  // full path
    std::string source;
    std::string kind;  // "blur", ...; "none" or "clean" counts as level 0 of every kind
    double level = 0;
  };
  std::vector<Entry> entries;
};
/// Throws Error naming file and line for anything malformed or a picture that is not there (with `names`: that has none of
/// them).
DegradationSet read_degradation_set(const std::filesystem::path& levels_csv,
                                    const data::PictureNames* names = nullptr);

/// Distribution of the magnitude at one level.
struct LevelStats {
  double level = 0;
  std::int64_t count = 0;
  double mean = 0, min = 0, q1 = 0, median = 0, q3 = 0, max = 0;
};
/// Quantiles by linear interpolation between the closest ranks; of at least one magnitude.
LevelStats level_stats(double level, std::vector<double> magnitudes);

struct DegradationSample {
  std::string file;
  std::string source;
  double level = 0;
  double magnitude = 0;
};

struct KindResult {
  std::string kind;
  std::vector<LevelStats> levels;         // ascending
  std::optional<double> rho_pooled;       // empty: undefined (constant magnitudes)
  std::optional<double> tau_pooled;       // Kendall tau-b
  std::optional<double> rho_source_mean;  // per source picture over its levels, then mean and median
  std::optional<double> rho_source_median;
  std::int64_t sources = 0;
  std::int64_t sources_undefined = 0;
  std::vector<DegradationSample> samples;
};

struct DegradationResult {
  std::vector<KindResult> kinds;  // in order of first appearance
  std::int64_t pictures = 0;
  std::vector<data::CorruptPicture> corrupt;
  std::optional<double> rho_pooled_mean;  // mean over kinds
  std::optional<double> rho_source_mean;
};

/// Embeds every picture once and measures each kind. Throws Error when no degraded picture could be read.
DegradationResult evaluate_degradation(FeatureSource& features, const DegradationSet& set);

}  // namespace qcface::eval
