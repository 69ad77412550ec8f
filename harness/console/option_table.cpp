#include "harness/console/option_table.h"

#include <algorithm>

#include "core/atomic_file.h"

namespace qcface {
namespace {

// A JSON integer may stand for a real number, nothing else is converted: "0.1" is not 0.1.
bool same_kind(const OptionTable::Json& wanted, const OptionTable::Json& given) {
  if (wanted.is_number_float()) return given.is_number();
  if (wanted.is_number()) return given.is_number_integer() && (!wanted.is_number_unsigned() || given >= 0);
  return wanted.type() == given.type();
}

std::string join(const std::vector<std::string>& words, const char* separator) {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += separator;
    text += word;
  }
  return text;
}

}  // namespace

std::string OptionTable::key_of(const std::string& names) {
  const std::size_t dashes = names.find("--");
  require(dashes != std::string::npos, "option {} has no long name", names);
  const std::size_t end = names.find(',', dashes);
  return names.substr(dashes + 2, end == std::string::npos ? end : end - dashes - 2);
}

CLI::Option* OptionTable::add_choice(const std::string& names, std::string& target,
                                     const std::vector<std::string>& choices, const std::string& help) {
  CLI::Option* option = add(names, target, help + " (" + join(choices, "|") + ")");
  option->check(CLI::IsMember(choices));
  entries_.back().choices = choices;
  return option;
}

CLI::Option* OptionTable::add_flag(const std::string& names, bool& target, const std::string& help) {
  CLI::Option* option = app_.add_flag(names, target, help);
  remember(names, option, help, target);
  return option;
}

const OptionTable::Entry& OptionTable::entry(const std::string& key) const {
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.key == key; });
  require(found != entries_.end(), "there is no option --{}", key);
  return *found;
}

void OptionTable::apply_config_file(const std::filesystem::path& path) {
  Json config;
  try {
    config = Json::parse(read_file(path), nullptr, true, /*ignore_comments=*/true);
  } catch (const nlohmann::json::exception& error) {
    fail("{}: not a configuration file: {}", path.string(), error.what());
  }
  apply_config(config, path.string());
}

void OptionTable::apply_config(const Json& config, const std::string& source) {
  require(config.is_object(), "{}: a configuration is a JSON object of option names and values", source);
  for (const auto& [key, value] : config.items()) {
    const auto found = std::find_if(entries_.begin(), entries_.end(),
                                    [&, &name = key](const Entry& e) { return e.key == name; });
    require(found != entries_.end(), "{}: unknown option \"{}\"; see --help for the names", source, key);
    if (found->option->count() > 0) continue;
    require(same_kind(found->default_value, value), "{}: option \"{}\" is {}, expected a value like {}",
            source, key, value.dump(), found->default_value.dump());
    if (!found->choices.empty()) {
      const auto& text = value.get_ref<const std::string&>();
      require(std::find(found->choices.begin(), found->choices.end(), text) != found->choices.end(),
              "{}: option \"{}\" is \"{}\", expected one of {}", source, key, text,
              join(found->choices, ", "));
    }
    try {
      found->set(value);
    } catch (const nlohmann::json::exception&) {
      fail("{}: option \"{}\" is {}, expected a value like {}", source, key, value.dump(),
           found->default_value.dump());
    }
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
  std::string text = "| option | default | meaning |\n|---|---|---|\n";
  for (const Entry& e : entries_) {
    std::string help = e.help;
    for (std::size_t at = 0; (at = help.find('|', at)) != std::string::npos; at += 2) help.insert(at, "\\");
    std::string names = e.names;
    for (std::size_t at = 0; (at = names.find(',', at)) != std::string::npos; at += 4)
      names.replace(at, 1, "`, `");
    const std::string value =
        e.default_value.is_string() ? e.default_value.get<std::string>() : e.default_value.dump();
    text += "| `" + names + "` | " + (value.empty() || value == "[]" ? "" : "`" + value + "`") + " | " +
            help + " |\n";
  }
  return text;
}

}  // namespace qcface
