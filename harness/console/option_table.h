// One table of options makes the parser, the help, the defaults, the configuration file, the printed resolved
// configuration and docs/command-line.md. A value on the command line wins over --config, which wins over the
// default. Unknown keys and wrong types in a configuration file stop with a message that names them.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "core/error.h"

namespace qcface {

class OptionTable {
 public:
  using Json = nlohmann::ordered_json;

  explicit OptionTable(CLI::App& app) : app_(app) {}
  OptionTable(const OptionTable&) = delete;
  OptionTable& operator=(const OptionTable&) = delete;

  /// names as CLI11 writes them ("-b,--batch-size"); the key in configuration files is the first long name
  /// without its dashes. `target` holds the default and receives the value.
  template <class T>
  CLI::Option* add(const std::string& names, T& target, const std::string& help) {
    CLI::Option* option = app_.add_option(names, target, help)->capture_default_str();
    remember(names, option, help, target);
    return option;
  }
  /// A text option limited to the listed values.
  CLI::Option* add_choice(const std::string& names, std::string& target,
                          const std::vector<std::string>& choices, const std::string& help);
  /// A switch: present means true. In a configuration file: true or false.
  CLI::Option* add_flag(const std::string& names, bool& target, const std::string& help);

  /// Reads a configuration file into every option that the command line left alone.
  void apply_config_file(const std::filesystem::path& path);
  /// The same from an object; `source` names it in messages.
  void apply_config(const Json& config, const std::string& source);
  /// Every option with its present value, in table order.
  Json resolved() const;
  /// True if the option was given on the command line. `key` as in configuration files.
  bool given(const std::string& key) const;
  /// True if it was given on the command line or by a configuration file.
  bool chosen(const std::string& key) const { return given(key) || from_file_.count(key) > 0; }
  /// Keys of all options, in table order.
  std::vector<std::string> keys() const;
  /// A Markdown table: option, default, meaning.
  std::string markdown() const;

 private:
  struct Entry {
    std::string key;
    std::string names;
    std::string help;
    std::vector<std::string> choices;
    CLI::Option* option;
    Json default_value;
    std::function<Json()> get;
    std::function<void(const Json&)> set;
  };

  static std::string key_of(const std::string& names);
  const Entry& entry(const std::string& key) const;

  template <class T>
  void remember(const std::string& names, CLI::Option* option, const std::string& help, T& target) {
    entries_.push_back({key_of(names),
                        names,
                        help,
                        {},
                        option,
                        Json(target),
                        [&target] { return Json(target); },
                        [&target](const Json& value) { target = value.get<T>(); }});
  }

  CLI::App& app_;
  std::vector<Entry> entries_;
  std::set<std::string> from_file_;
};

}  // namespace qcface
