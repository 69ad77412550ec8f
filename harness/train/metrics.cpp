#include "harness/train/metrics.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <optional>
#include <sstream>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json.h"
#include "core/log.h"

namespace qcface::train {
namespace {

constexpr int kNamedLines = 5;  // damaged lines named one by one

// global_step of a record; empty if it is none.
std::optional<std::int64_t> step_of(const nlohmann::json& record) {
  if (!record.is_object()) return std::nullopt;
  const auto step = record.find("global_step"), kind = record.find("kind");
  const bool good =
      step != record.end() && step->is_number_integer() && kind != record.end() && kind->is_string();
  if (!good) return std::nullopt;
  return step->get<std::int64_t>();
}

}  // namespace

MetricsFile::~MetricsFile() {
  if (file_) std::fclose(file_);
}

void MetricsFile::open(const std::filesystem::path& path, std::int64_t last_step) {
  path_ = path;
  std::error_code error;
  if (std::filesystem::exists(path, error)) {
    std::istringstream lines(read_file(path));
    std::string kept;
    int damaged = 0, number = 0;
    for (std::string line; std::getline(lines, line);) {
      ++number;
      const auto record = try_parse_json(line).value_or(nlohmann::json());
      const auto step = step_of(record);
      if (step && *step <= last_step) kept += line + '\n';
      if (step || ++damaged > kNamedLines) continue;
      log::warn("{}: line {} is no record (cut short by a kill, or changed by hand) and is left out",
                path.string(), number);
    }
    if (damaged > kNamedLines) {
      log::warn("{}: {} further lines are no records and are left out", path.string(), damaged - kNamedLines);
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
