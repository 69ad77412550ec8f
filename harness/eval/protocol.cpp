#include "harness/eval/protocol.h"

#include <fmt/ranges.h>

#include <array>
#include <system_error>
#include <utility>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json.h"
#include "core/text.h"
#include "harness/console/usage.h"
#include "harness/plot/figure_files.h"

namespace qcface::eval {

// Each in its file of protocols/: NAME_protocol.cpp, kHq and kBin in sets_protocol.cpp.
extern const Protocol kVerify, kHq, kBin, kIjb, kQuality, kDegradation;

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::array kProtocols{&kVerify, &kHq, &kBin, &kIjb, &kQuality, &kDegradation};

fs::path json_path(const fs::path& folder, const Protocol& protocol) {
  return folder / (std::string(protocol.name) + ".json");
}

}  // namespace

std::span<const Protocol* const> protocols() { return kProtocols; }

const Protocol& protocol(std::string_view name) {
  std::vector<std::string_view> known;
  for (const Protocol* row : kProtocols) {
    if (row->name == name) return *row;
    known.emplace_back(row->name);
  }
  fail("protocol '{}' is not known; known: {}", name, fmt::join(known, ", "));
}

NamedMeasurement measurement_from_text(const std::string& text, const Protocol& usual) {
  NamedMeasurement named;
  named.protocol = &usual;
  std::string place = text;
  for (const Protocol* row : kProtocols) {
    const std::string prefix = std::string(row->name) + ":";
    if (!text.starts_with(prefix)) continue;
    named.protocol = row;
    place = text.substr(prefix.size());
  }
  std::string options;
  if (const std::size_t begin = place.find(" --"); begin != std::string::npos) {
    options = place.substr(begin + 1);
    place.resize(place.find_last_not_of(' ', begin) + 1);
  }
  named.flip = named.protocol->flip;
  named.measurement = named.protocol->make();
  named.measurement->folder = place;
  CLI::App app;
  app.set_help_flag();
  OptionTable table(app);
  table.add_choice("--flip", named.flip, numbered_choices<FlipFusion>(5, [](auto f) { return name_of(f); }),
                   "");
  named.measurement->add_options(table);
  try {
    app.parse(options, false);
  } catch (const CLI::ParseError& problem) {
    throw UsageError(fmt::format("{}: {}", text, problem.what()));
  }
  named.measurement->settle(table);
  return named;
}

Result measure(Measurement& measurement, FeatureSource& features) {
  features.start_measurement();
  Result result = measurement.run(features);
  result.json["data"] = features.data();
  result.json["conditions"]["model"] = features.model();
  return result;
}

std::vector<fs::path> write_result(const fs::path& folder, const Protocol& protocol, Result result,
                                   const Conditions& conditions) {
  for (const auto& [key, value] : conditions) result.json["conditions"][key] = to_json_text(value);
  std::error_code error;
  fs::create_directories(folder, error);
  require(!error, "{}: cannot make the folder: {}", folder.string(), error.message());
  FileGroup group;
  std::vector<fs::path> written;
  const auto write = [&](const fs::path& path, const std::string& text) {
    group.add(path).write(text);
    written.push_back(path);
  };
  for (const auto& [name, text] : result.sheets) {
    fs::create_directories((folder / name).parent_path(), error);
    write(folder / name, text);
  }
  for (const auto& block : protocol.present(result).blocks) {
    const Figure* figure = std::get_if<Figure>(&block);
    if (figure == nullptr || figure->file.empty()) continue;
    for (fs::path& file : add_figure(group, folder / figure->file, figure->plot))
      written.push_back(std::move(file));
  }
  write(json_path(folder, protocol),  // last: marks a complete set of files
        result.json.dump(1, ' ', false, json::error_handler_t::replace) + "\n");
  group.commit();
  return written;
}

std::optional<Result> read_result(const fs::path& folder, const Protocol& protocol,
                                  std::vector<std::string>& problems) {
  const auto text_of = [&](const fs::path& file) -> std::optional<std::string> {
    std::error_code error;
    if (!fs::exists(file, error)) return std::nullopt;
    try {
      return read_file(file);
    } catch (const Error& problem) {
      problems.push_back(problem.what());
      return std::nullopt;
    }
  };
  const fs::path file = json_path(folder, protocol);
  const std::optional<std::string> text = text_of(file);
  if (!text) return std::nullopt;
  std::optional<json> found = try_parse_json(*text);
  if (!found || !found->is_object()) {
    problems.push_back(file.filename().string() + " is not a JSON object");
    return std::nullopt;
  }
  Result result;
  result.json = std::move(*found);
  for (const char* name : protocol.sheets) {
    if (std::optional<std::string> sheet = text_of(folder / name)) result.sheets[name] = std::move(*sheet);
  }
  return result;
}

json conditions_json(const FeatureSource& features, const char* list_name, const fs::path& list) {
  return {{"mean", features.options().preparation.mean},
          {"std", features.options().preparation.std},
          {list_name, to_json_text(list.string())}};
}

json corrupt_json(const std::vector<data::CorruptPicture>& corrupt) {
  json list = json::array();
  for (const data::CorruptPicture& picture : corrupt) {
    list.push_back({{"path", to_json_text(picture.path)}, {"reason", to_json_text(picture.reason)}});
  }
  return list;
}

}  // namespace qcface::eval
