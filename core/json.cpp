#include "core/json.h"

#include "core/error.h"
#include "core/text.h"

namespace qcface {

std::string json_problem(const std::exception& error) {
  constexpr std::size_t kLongest = 300;
  std::string_view text = error.what();
  if (text.starts_with("[json.exception.")) {
    const std::size_t end = text.find("] ");
    if (end != std::string_view::npos) text.remove_prefix(end + 2);
  }
  return printable(text, kLongest);
}

template <class Json>
Json parse_json(std::string_view text, bool ignore_comments) {
  std::string key;  // the last one of the outermost object, for messages
  const auto watch = [&key](int depth, typename Json::parse_event_t event, Json& parsed) {
    using Event = typename Json::parse_event_t;
    if (event == Event::key && depth == 1) key = parsed.template get_ref<const std::string&>();
    const bool opens = event == Event::object_start || event == Event::array_start;
    require(!opens || depth < kDeepestJson, "values nest deeper than {}", kDeepestJson);
    return true;
  };
  try {
    return Json::parse(text, watch, /*allow_exceptions=*/true, ignore_comments);
  } catch (const nlohmann::json::exception& error) {
    const std::string place = key.empty() ? "" : fmt::format(" (at \"{}\")", printable(key, 100));
    throw Error(json_problem(error) + place);
  }
}

template <class Json>
std::optional<Json> try_parse_json(std::string_view text) {
  try {
    return parse_json<Json>(text);
  } catch (const Error&) {
    return std::nullopt;
  }
}

template nlohmann::json parse_json(std::string_view, bool);
template nlohmann::ordered_json parse_json(std::string_view, bool);
template std::optional<nlohmann::json> try_parse_json(std::string_view);
template std::optional<nlohmann::ordered_json> try_parse_json(std::string_view);

}  // namespace qcface
