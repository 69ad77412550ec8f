// What a run folder holds, read leniently: a missing file is an absent part, a damaged line is skipped and counted, a
// value that is null or not a number is NaN.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "harness/eval/protocol.h"

namespace qcface::report {

/// Records of one kind, one column a key; columns have equal length, with NaN where a record lacks the key.
struct MetricTable {
  std::vector<double> steps;  // global_step, ascending: a step that was run again replaces the first try
  std::map<std::string, std::vector<double>> columns;
  bool empty() const { return steps.empty(); }
  /// The column, or one of NaN.
  std::vector<double> column(const std::string& key) const;
  bool has(const std::string& key) const;  // with at least one finite value
  void append(const nlohmann::json& record);
};

struct MagnitudeHistogramRecord {
  double step = 0;
  std::vector<double> edges, counts;
};

struct NamedMagnitude {
  std::string path, identity;
  double magnitude = 0;
};

/// Pictures of the results in eval/ or eval/<set>/.
struct PictureSet {
  std::string name;  // "" for eval/ itself
  std::vector<NamedMagnitude> magnitudes;
};

struct RunResult {
  const eval::Protocol* protocol = nullptr;
  std::string folder;  // "" for eval/ itself
  eval::Result result;
};

struct RunData {
  std::filesystem::path folder;
  std::optional<nlohmann::json> config;
  MetricTable steps, epochs;
  std::map<std::string, MetricTable> evaluations;     // by set
  std::optional<MagnitudeHistogramRecord> histogram;  // the last one
  std::int64_t records = 0;
  std::int64_t damaged_lines = 0;
  std::vector<std::string> log_head, log_tail;  // lines of log.txt
  std::vector<std::string> checkpoints;         // file names
  std::vector<RunResult> results;
  std::vector<PictureSet> picture_sets;
  std::vector<std::string> problems;  // files that are there but cannot be read
};

/// Throws Error when the folder is missing.
RunData read_run(const std::filesystem::path& folder);

/// Those of one protocol, eval/ first.
std::vector<const RunResult*> results_of(const RunData& run, const eval::Protocol& protocol);

}  // namespace qcface::report
