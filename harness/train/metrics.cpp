#include "harness/train/metrics.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <sstream>

#include "core/atomic_file.h"
#include "core/error.h"

namespace qcface::train {

MetricsFile::~MetricsFile() {
  if (file_) std::fclose(file_);
}

void MetricsFile::open(const std::filesystem::path& path, std::int64_t last_step) {
  path_ = path;
  std::string kept;
  if (std::filesystem::exists(path)) {
    std::istringstream lines(read_file(path));
    for (std::string line; std::getline(lines, line);) {
      const auto record = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
      // A line cut in half by a kill is dropped with the steps that are run again.
      if (record.is_object() && record.value("global_step", INT64_MAX) <= last_step) kept += line + '\n';
    }
    write_file_atomically(path, kept);
  }
  file_ = std::fopen(path.c_str(), "ae");
  require(file_ != nullptr, "{}: cannot be opened: {}", path.string(), std::strerror(errno));
}

void MetricsFile::write(const nlohmann::ordered_json& record) {
  const std::string line = record.dump() + '\n';
  const bool whole =
      std::fwrite(line.data(), 1, line.size(), file_) == line.size() && std::fflush(file_) == 0;
  require(whole, "{}: write failed: {}; free some space and go on with --resume", path_.string(),
          std::strerror(errno));
}

void MagnitudeHistogram::add(std::span<const float> lengths) {
  for (const float length : lengths) {
    const auto bin = static_cast<std::size_t>(std::clamp(length / kBinWidth, 0.0, kBins - 1.0));
    ++counts_[bin];
  }
}

std::vector<double> MagnitudeHistogram::edges() const {
  std::vector<double> values(counts().size() + 1);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i) * kBinWidth;
  return values;
}

std::vector<double> MagnitudeHistogram::counts() const {
  std::size_t used = counts_.size();
  while (used > 1 && counts_[used - 1] == 0) --used;
  return {counts_.begin(), counts_.begin() + static_cast<std::ptrdiff_t>(used)};
}

nlohmann::ordered_json MagnitudeHistogram::to_json() const {
  return {{"edges", edges()}, {"counts", counts()}};
}

}  // namespace qcface::train
