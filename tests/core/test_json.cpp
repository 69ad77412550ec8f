#include "core/json.h"

#include <string>

#include "core/error.h"
#include "tests/support/catch.h"

using namespace qcface;

namespace {
std::string problem(const std::string& text) {
  try {
    parse_json<nlohmann::ordered_json>(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}
}  // namespace

TEST_CASE("JSON that nests 100,000 deep ends with a sentence", "[core]") {
  std::string objects, arrays(100000, '[');
  for (int i = 0; i < 100000; ++i) objects += R"({"a":)";
  CHECK(problem(objects) == "values nest deeper than 64");
  CHECK(problem(arrays) == "values nest deeper than 64");
  CHECK_FALSE(try_parse_json(arrays));
  CHECK(problem(std::string(64, '[') + std::string(64, ']')).empty());
}

TEST_CASE("JSON errors name line, column and key, and nothing of the library", "[core]") {
  CHECK(problem("{\n\"a\" 1}").find("parse error at line 2, column 5") == 0);
  CHECK(problem(R"({"epochs": 3, "lr": 1e999})") == R"(number overflow parsing '1e999' (at "lr"))");
  CHECK(problem("\"\x1b\xff").find('\x1b') == std::string::npos);
  CHECK(parse_json("{\"a\": 1 /* one */}", true).at("a") == 1);
  CHECK_THROWS_AS(parse_json("{\"a\": 1 /* one */}"), Error);
  CHECK(try_parse_json("[1]")->size() == 1);
  try {
    (void)nlohmann::json(nullptr).get<std::string>();
  } catch (const std::exception& error) {
    CHECK(json_problem(error) == "type must be string, but is null");
  }
}
