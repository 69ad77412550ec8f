// metrics.jsonl: one JSON object a line, in order of steps; kinds "step", "histogram", "epoch", "eval". A run
// that is resumed continues the file: lines past the checkpoint are dropped first, so no step appears twice.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

namespace qcface::train {

class MetricsFile {
 public:
  MetricsFile() = default;
  ~MetricsFile();
  MetricsFile(const MetricsFile&) = delete;
  MetricsFile& operator=(const MetricsFile&) = delete;

  /// Keeps records whose global_step is at most `last_step`, drops those after it; damaged lines are dropped with a
  /// warning that names file and line. Throws Error naming the file.
  void open(const std::filesystem::path& path, std::int64_t last_step);
  /// Appends one line; NaN and infinity become null. Throws Error on a full disk.
  void write(const nlohmann::ordered_json& record);

 private:
  std::filesystem::path path_;
  std::FILE* file_ = nullptr;
};

/// Distribution of embedding lengths since the last line of the log.
class MagnitudeHistogram {
 public:
  static constexpr double kBinWidth = 2.0;
  static constexpr int kBins = 60;  // 0 .. 120; longer ones count in the last bin

  void add(std::span<const float> lengths);
  /// {"edges": [...], "counts": [...]} with empty bins at the upper end left out.
  nlohmann::ordered_json to_json() const;
  std::vector<double> edges() const;
  std::vector<double> counts() const;
  void clear() { counts_.assign(kBins, 0); }

 private:
  std::vector<std::int64_t> counts_ = std::vector<std::int64_t>(kBins, 0);
};

}  // namespace qcface::train
