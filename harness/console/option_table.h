// One table of options makes the parser, the help, the defaults, the configuration file, the printed resolved
// configuration and docs/command-line.md. A value on the command line wins over --config, which wins over the
// default. Unknown keys, wrong types and numbers out of range stop with a UsageError that names them, wherever the
// value comes from. Text is bytes: paths need not be UTF-8; in JSON it is encoded as to_json_text() does.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/text.h"
#include "harness/console/number.h"
#include "harness/console/usage.h"

namespace qcface {

/// The values that an option may have, each under its name.
template <class T>
using Choices = std::vector<std::pair<std::string, T>>;
/// The values of an enumeration that counts from 0, under the names that `name` gives them.
template <class T, class Name>
Choices<T> numbered_choices(int count, Name name) {
  Choices<T> choices;
  for (int i = 0; i < count; ++i) choices.emplace_back(name(static_cast<T>(i)), static_cast<T>(i));
  return choices;
}
/// The name of a value that is among them.
template <class T>
const std::string& name_of(const Choices<T>& choices, const std::type_identity_t<T>& value) {
  for (const auto& [name, choice] : choices) {
    if (choice == value) return name;
  }
  fail("an option has a value without a name");
}

class OptionTable {
 public:
  using Json = nlohmann::ordered_json;

  explicit OptionTable(CLI::App& app) : app_(app) {}
  OptionTable(const OptionTable&) = delete;
  OptionTable& operator=(const OptionTable&) = delete;

  /// Text, or a list of texts. names as CLI11 writes them ("-b,--batch-size"); the key in configuration files is the
  /// first long name without its dashes. `target` holds the default and receives the value.
  CLI::Option* add(const std::string& names, std::string& target, const std::string& help);
  CLI::Option* add(const std::string& names, std::vector<std::string>& target, const std::string& help);
  /// A number, or a list of numbers, each from low to high. A std::array takes as many values as it has elements.
  template <class T>
  CLI::Option* add_number(const std::string& names, T& target, typename NumberOf<T>::type low,
                          typename NumberOf<T>::type high, const std::string& help) {
    const NumberRange<typename NumberOf<T>::type> range{low, high};
    CLI::Option* option = app_.add_option(names, target, help)->capture_default_str();
    check_numbers(option, range, "--" + key_of(names));
    return remember(
        option, names, help, [&target] { return Json(target); },
        [&target, range](const Json& value, const std::string& name) {
          read_numbers(value, name, range, target);
        },
        range.text());
  }
  /// One of these values. The command line, configurations, help and document have their names.
  template <class T>
  CLI::Option* add_choice(const std::string& names, T& target,
                          const std::type_identity_t<Choices<T>>& choices, const std::string& help) {
    std::vector<std::string> known;
    for (const auto& [name, value] : choices) known.push_back(name);
    return add_named(
        names, known, help, [&target, choices] { return name_of(choices, target); },
        [&target, choices](const std::string& wanted) {
          for (const auto& [name, value] : choices) {
            if (name == wanted) target = value;
          }
        });
  }
  /// A value that is written as a text of its own: `read` makes it of one, and throws UsageError beginning with the name
  /// that it is given; `write` gives a text that reads as the same value.
  template <class T>
  CLI::Option* add_written(const std::string& names, T& target,
                           std::function<T(const std::string& text, const std::string& name)> read,
                           std::function<std::string(const T&)> write, const std::string& help) {
    return add_taken(
        names, help, [&target, write = std::move(write)] { return write(target); },
        [&target, read = std::move(read)](const std::string& text, const std::string& name) {
          target = read(text, name);
        });
  }
  /// A switch: present means true. In a configuration file: true or false.
  CLI::Option* add_flag(const std::string& names, bool& target, const std::string& help);

  /// Reads a configuration file into every option that the command line left alone.
  void apply_config_file(const std::filesystem::path& path);
  /// The same from an object; `source` names it in messages.
  void apply_config(const Json& config, const std::string& source);
  /// Every option with its present value, in table order. Can always be written, and given back to apply_config().
  Json resolved() const;
  /// True if the option was given on the command line. `key` as in configuration files.
  bool given(const std::string& key) const;
  /// True if it was given on the command line or by a configuration file.
  bool chosen(const std::string& key) const { return given(key) || from_file_.count(key) > 0; }
  /// Keys of all options, in table order.
  std::vector<std::string> keys() const;
  /// A Markdown table: option, default, range, meaning.
  std::string markdown() const;

 private:
  using Setter =
      std::function<void(const Json&, const std::string& name)>;  // throws UsageError beginning with name
  struct Entry {
    std::string key;
    std::string names;
    std::string help;
    std::string range;  // of a number
    CLI::Option* option;
    Json default_value;
    std::function<Json()> get;
    Setter set;
  };

  static std::string key_of(const std::string& names);
  const Entry& entry(const std::string& key) const;
  template <class T>
  CLI::Option* add_text(const std::string& names, T& target, const std::string& help, Setter set);
  // `set` gets names that are known.
  CLI::Option* add_named(const std::string& names, const std::vector<std::string>& known,
                         const std::string& help, std::function<std::string()> get,
                         std::function<void(const std::string&)> set);
  // `take` gets any text, and the option's name for its messages.
  CLI::Option* add_taken(const std::string& names, const std::string& help, std::function<std::string()> get,
                         std::function<void(const std::string& text, const std::string& name)> take);
  CLI::Option* remember(CLI::Option* option, const std::string& names, const std::string& help,
                        std::function<Json()> get, Setter set, const std::string& range = "");

  // The library's own conversion takes "010" for eight and "0x10" for sixteen, and differs between its versions.
  template <class T>
  static void check_numbers(CLI::Option* option, const NumberRange<T>& range, const std::string& name) {
    const auto check = [range, name](std::string& text) {
      text = fmt::format("{}", range.from_text(text, name));
      return std::string();
    };
    option->transform(CLI::Validator(check, range.text()));
  }

  template <class T>
  static void read_numbers(const Json& value, const std::string& name, const NumberRange<T>& range,
                           T& target) {
    target = range.from_json(value, name);
  }
  template <class T>
  static void read_numbers(const Json& value, const std::string& name, const NumberRange<T>& range,
                           std::vector<T>& target) {
    require_usage(value.is_array(), "{} is {}, expected a list of numbers in [ ]", name, shown(value));
    std::vector<T> numbers;
    for (const Json& element : value) numbers.push_back(range.from_json(element, name));
    target = std::move(numbers);
  }
  template <class T, std::size_t N>
  static void read_numbers(const Json& value, const std::string& name, const NumberRange<T>& range,
                           std::array<T, N>& target) {
    require_usage(value.is_array() && value.size() == N, "{} is {}, expected a list of {} numbers in [ ]",
                  name, shown(value), N);
    for (std::size_t i = 0; i < N; ++i) target[i] = range.from_json(value[i], name);
  }
  static std::string shown(const Json& value);

  CLI::App& app_;
  std::vector<Entry> entries_;
  std::set<std::string> from_file_;
};

}  // namespace qcface
