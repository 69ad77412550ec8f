// A protocol run as `qcface eval NAME` runs it, with a formula for a network.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "harness/console/option_table.h"
#include "harness/eval/protocol.h"

namespace qcface::test {

inline std::unique_ptr<eval::Measurement> make_measurement(const eval::Protocol& protocol,
                                                           const std::filesystem::path& folder,
                                                           std::vector<std::string> arguments = {}) {
  CLI::App app;
  OptionTable table(app);
  auto measurement = protocol.make();
  measurement->add_options(table);
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
  app.parse(arguments);
  measurement->folder = folder;
  measurement->settle(table);
  return measurement;
}

inline eval::Result run_protocol(const char* name, eval::FeatureSource& features,
                                 const std::filesystem::path& folder, const std::filesystem::path& out,
                                 const std::vector<std::string>& arguments = {},
                                 const eval::Conditions& conditions = {}) {
  const eval::Protocol& protocol = eval::protocol(name);
  const auto measurement = make_measurement(protocol, folder, arguments);
  measurement->read();
  require_writable_folder(out, "--out");
  eval::Result result = eval::measure(*measurement, features);
  eval::write_result(out, protocol, result, conditions);
  return result;
}

inline nlohmann::json read_json(const std::filesystem::path& file) {
  std::ifstream stream(file);
  return nlohmann::json::parse(stream);
}

/// pairs.list over a PictureFolder: every same pair of neighbours and as many different ones.
inline std::filesystem::path write_pairs(const std::filesystem::path& root, int identities, int pictures) {
  std::ofstream list(root / "pairs.list");
  for (int identity = 0; identity < identities; ++identity) {
    for (int picture = 0; picture + 1 < pictures; ++picture) {
      list << "p" << identity << "/" << picture << ".png p" << identity << "/" << picture + 1 << ".png 1\n";
      list << "p" << identity << "/" << picture << ".png p" << (identity + 1) % identities << "/" << picture
           << ".png 0\n";
    }
  }
  return root / "pairs.list";
}

}  // namespace qcface::test
