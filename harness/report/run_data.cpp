#include "harness/report/run_data.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <fstream>
#include <limits>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json.h"
#include "core/text.h"
#include "harness/console/interrupt.h"
#include "harness/eval/result.h"

namespace qcface::report {
namespace {

namespace fs = std::filesystem;
using eval::number_at;
using nlohmann::json;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kLogLines = 30;

std::optional<json> read_object(const fs::path& file, std::vector<std::string>& problems) {
  std::error_code error;
  if (!fs::exists(file, error)) return std::nullopt;
  std::optional<json> value;
  try {
    value = try_parse_json(read_file(file));
  } catch (const Error& problem) {
    problems.push_back(problem.what());
    return std::nullopt;
  }
  if (!value || !value->is_object()) {
    problems.push_back(file.filename().string() + " is not a JSON object");
    return std::nullopt;
  }
  return value;
}

// Lines of a text file; none where it is missing. A pipe of its name would be waited for, for ever.
class Lines {
 public:
  explicit Lines(const fs::path& file) {
    std::error_code error;
    if (fs::is_regular_file(file, error)) stream_.open(file);
  }
  bool next(std::string& line) {
    stop_if_interrupted();
    return static_cast<bool>(std::getline(stream_, line));
  }

 private:
  std::ifstream stream_;
};

std::vector<double> numbers_of(const json& object, const std::string& key) {
  std::vector<double> values;
  if (const auto it = object.find(key); it != object.end() && it->is_array()) {
    for (const json& value : *it) values.push_back(value.is_number() ? value.get<double>() : kNan);
  }
  return values;
}

void read_metrics(RunData& run) {
  Lines lines(run.folder / "metrics.jsonl");
  std::string line;
  while (lines.next(line)) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const json record = try_parse_json(line).value_or(json());
    const auto kind = record.is_object() ? record.find("kind") : record.end();
    if (!record.is_object() || kind == record.end() || !kind->is_string() ||
        !std::isfinite(number_at(record, "global_step"))) {
      ++run.damaged_lines;
      continue;
    }
    ++run.records;
    if (*kind == "step") {
      run.steps.append(record);
    } else if (*kind == "epoch") {
      run.epochs.append(record);
    } else if (*kind == "eval") {
      const auto set = record.find("set");
      run.evaluations[set != record.end() && set->is_string() ? from_json_text(set->get<std::string>()) : ""]
          .append(record);
    } else if (*kind == "histogram") {
      MagnitudeHistogramRecord histogram{number_at(record, "global_step"), numbers_of(record, "edges"),
                                         numbers_of(record, "counts")};
      if (!histogram.counts.empty() && histogram.edges.size() == histogram.counts.size() + 1) {
        run.histogram = std::move(histogram);
      }
    }
  }
}

void read_log(RunData& run) {
  Lines lines(run.folder / "log.txt");
  std::string line;
  std::deque<std::string> tail;
  while (lines.next(line)) {
    if (line.size() > 400) line = line.substr(0, 400) + "...";
    if (run.log_head.size() < kLogLines) {
      run.log_head.push_back(line);
      continue;
    }
    tail.push_back(line);
    if (tail.size() > kLogLines) tail.pop_front();
  }
  run.log_tail.assign(tail.begin(), tail.end());
}

std::vector<NamedMagnitude> read_magnitudes(const fs::path& file) {
  std::vector<NamedMagnitude> rows;
  Lines lines(file);
  std::string line;
  lines.next(line);
  while (lines.next(line)) {
    const std::vector<std::string> fields = eval::split_csv(line);
    if (fields.size() < 3) continue;
    const NamedMagnitude row{fields[0], fields[1], eval::csv_number(fields[2])};
    if (std::isfinite(row.magnitude)) rows.push_back(row);
  }
  return rows;
}

// What is in eval/ or a folder of it.
void read_results(RunData& run, const fs::path& folder, const std::string& name) {
  const std::size_t before = run.results.size();
  for (const eval::Protocol* protocol : eval::protocols()) {
    if (auto result = eval::read_result(folder, *protocol, run.problems)) {
      run.results.push_back({protocol, name, std::move(*result)});
    }
  }
  if (run.results.size() > before)
    run.picture_sets.push_back({name, read_magnitudes(folder / "magnitudes.csv")});
}

std::vector<fs::path> sorted_entries(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(it->path());
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

}  // namespace

std::vector<double> MetricTable::column(const std::string& key) const {
  const auto it = columns.find(key);
  return it != columns.end() ? it->second : std::vector<double>(steps.size(), kNan);
}

bool MetricTable::has(const std::string& key) const {
  const auto it = columns.find(key);
  return it != columns.end() &&
         std::any_of(it->second.begin(), it->second.end(), [](double value) { return std::isfinite(value); });
}

void MetricTable::append(const json& record) {
  const double step = number_at(record, "global_step");
  while (!steps.empty() && steps.back() >= step) {
    steps.pop_back();
    for (auto& [key, values] : columns) values.pop_back();
  }
  for (const auto& [key, value] : record.items()) {
    if (!value.is_number() && !value.is_null()) continue;
    std::vector<double>& values = columns[key];
    values.resize(steps.size(), kNan);
    values.push_back(value.is_number() ? value.get<double>() : kNan);
  }
  steps.push_back(step);
  for (auto& [key, values] : columns) values.resize(steps.size(), kNan);
}

RunData read_run(const fs::path& folder) {
  require(fs::is_directory(folder), "report: {} is no folder; name the run folder that training wrote",
          folder.string());
  RunData run;
  run.folder = folder;
  run.config = read_object(folder / "config.json", run.problems);
  read_metrics(run);
  read_log(run);
  for (const fs::path& file : sorted_entries(folder / "checkpoints")) {
    if (file.extension() == ".safetensors") run.checkpoints.push_back(file.filename().string());
  }
  read_results(run, folder / "eval", "");
  for (const fs::path& entry : sorted_entries(folder / "eval")) {
    if (fs::is_directory(entry)) read_results(run, entry, entry.filename().string());
  }
  return run;
}

std::vector<const RunResult*> results_of(const RunData& run, const eval::Protocol& protocol) {
  std::vector<const RunResult*> results;
  for (const RunResult& found : run.results) {
    if (found.protocol == &protocol) results.push_back(&found);
  }
  return results;
}

}  // namespace qcface::report
