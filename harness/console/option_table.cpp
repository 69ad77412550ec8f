#include "harness/console/option_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "core/atomic_file.h"
#include "core/json.h"

namespace qcface {
namespace {

std::string join(const std::vector<std::string>& words, const char* separator) {
  return fmt::format("{}", fmt::join(words, separator));
}

OptionTable::Json json_of(const std::string& text) { return to_json_text(text); }

OptionTable::Json json_of(const std::vector<std::string>& texts) {
  OptionTable::Json list = OptionTable::Json::array();
  for (const std::string& text : texts) list.push_back(to_json_text(text));
  return list;
}

// Replaces every `from` by `to`.
std::string replaced(const std::string& text, char from, std::string_view to) {
  std::string result;
  for (const char c : text) c == from ? result += to : result += c;
  return result;
}

}  // namespace

std::string OptionTable::key_of(const std::string& names) {
  const std::size_t dashes = names.find("--");
  require(dashes != std::string::npos, "option {} has no long name", names);
  const std::size_t end = names.find(',', dashes);
  return names.substr(dashes + 2, end == std::string::npos ? end : end - dashes - 2);
}

std::string OptionTable::shown(const Json& value) {
  return printable(value.dump(-1, ' ', false, Json::error_handler_t::replace), 100);
}

CLI::Option* OptionTable::remember(CLI::Option* option, const std::string& names, const std::string& help,
                                   std::function<Json()> get, Setter set, const std::string& range) {
  const Json now = get();
  entries_.push_back({key_of(names), names, help, range, option, now, std::move(get), std::move(set)});
  return option;
}

template <class T>
CLI::Option* OptionTable::add_text(const std::string& names, T& target, const std::string& help, Setter set) {
  CLI::Option* option = app_.add_option(names, target, help)->capture_default_str();
  return remember(
      option, names, help, [&target] { return json_of(target); }, std::move(set));
}

CLI::Option* OptionTable::add(const std::string& names, std::string& target, const std::string& help) {
  return add_text(names, target, help, [&target](const Json& value, const std::string& name) {
    require_usage(value.is_string(), "{} is {}, expected a text in \" \"", name, shown(value));
    target = from_json_text(value.get_ref<const std::string&>());
  });
}

CLI::Option* OptionTable::add(const std::string& names, std::vector<std::string>& target,
                              const std::string& help) {
  return add_text(names, target, help, [&target](const Json& value, const std::string& name) {
    const bool texts = value.is_array() &&
                       std::all_of(value.begin(), value.end(), [](const Json& v) { return v.is_string(); });
    require_usage(texts, "{} is {}, expected a list of texts in [ ]", name, shown(value));
    target.clear();
    for (const Json& text : value) target.push_back(from_json_text(text.get_ref<const std::string&>()));
  });
}

CLI::Option* OptionTable::add_named(const std::string& names, const std::vector<std::string>& known,
                                    const std::string& help, std::function<std::string()> get,
                                    std::function<void(const std::string&)> set) {
  const auto take = [known, set = std::move(set)](const std::string& text, const std::string& name) {
    require_usage(std::find(known.begin(), known.end(), text) != known.end(),
                  "{} is {}, expected one of {}{}", name, text.empty() ? "empty" : printable(text, 100),
                  join(known, ", "), did_you_mean(text, known));
    set(text);
  };
  return add_taken(names, help + " (" + join(known, "|") + ")", std::move(get), take);
}

CLI::Option* OptionTable::add_taken(
    const std::string& names, const std::string& help, std::function<std::string()> get,
    std::function<void(const std::string& text, const std::string& name)> take) {
  const std::string key = key_of(names);
  CLI::Option* option = app_.add_option_function<std::string>(
      names, [take, key](const std::string& text) { take(text, "--" + key); }, help);
  option->default_str(get());
  return remember(
      option, names, help, [get = std::move(get)] { return Json(get()); },
      [take](const Json& value, const std::string& name) {
        require_usage(value.is_string(), "{} is {}, expected a text in \" \"", name, shown(value));
        take(from_json_text(value.get_ref<const std::string&>()), name);
      });
}

CLI::Option* OptionTable::add_flag(const std::string& names, bool& target, const std::string& help) {
  return remember(
      app_.add_flag(names, target, help), names, help, [&target] { return Json(target); },
      [&target](const Json& value, const std::string& name) {
        require_usage(value.is_boolean(), "{} is {}, expected true or false", name, shown(value));
        target = value.get<bool>();
      });
}

const OptionTable::Entry& OptionTable::entry(const std::string& key) const {
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.key == key; });
  require(found != entries_.end(), "there is no option --{}", key);
  return *found;
}

void OptionTable::apply_config_file(const std::filesystem::path& path) {
  const std::string text = read_file(path);
  Json config;
  try {
    config = parse_json<Json>(text, /*ignore_comments=*/true);
  } catch (const Error& error) {
    throw UsageError(fmt::format("{}: not a configuration file: {}", path.string(), error.what()));
  }
  apply_config(config, path.string());
}

void OptionTable::apply_config(const Json& config, const std::string& source) {
  require_usage(config.is_object(), "{}: a configuration is a JSON object of option names and values",
                source);
  for (const auto& [key, value] : config.items()) {
    const auto found = std::find_if(entries_.begin(), entries_.end(),
                                    [&, &name = key](const Entry& e) { return e.key == name; });
    require_usage(found != entries_.end(), "{}: unknown option \"{}\"{}", source, printable(key, 100),
                  did_you_mean(key, keys()));
    if (found->option->count() > 0) continue;
    found->set(value, fmt::format("{}: option \"{}\"", source, key));
    from_file_.insert(key);
  }
}

OptionTable::Json OptionTable::resolved() const {
  Json values = Json::object();
  for (const Entry& e : entries_) values[e.key] = e.get();
  return values;
}

bool OptionTable::given(const std::string& key) const { return entry(key).option->count() > 0; }

std::vector<std::string> OptionTable::keys() const {
  std::vector<std::string> names;
  for (const Entry& e : entries_) names.push_back(e.key);
  return names;
}

std::string OptionTable::markdown() const {
  std::string text = "| option | default | range | meaning |\n|---|---|---|---|\n";
  for (const Entry& e : entries_) {
    const std::string value =
        e.default_value.is_string() ? e.default_value.get<std::string>() : e.default_value.dump();
    text += fmt::format("| `{}` | {} | {} | {} |\n", replaced(e.names, ',', "`, `"),
                        value.empty() || value == "[]" ? "" : "`" + value + "`", e.range,
                        replaced(e.help, '|', "\\|"));
  }
  return text;
}

}  // namespace qcface
