#include "core/text.h"

#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/catch.h"

using namespace qcface;

TEST_CASE("Any bytes go through JSON text and back", "[core]") {
  std::string all;
  for (int b = 1; b < 256; ++b) all += static_cast<char>(b);
  const std::string names[] = {"",
                               "plain",
                               "caf\xc3\xa9",
                               "caf\xe9",
                               all,
                               "\xee\xbe\x80 is U+EF80",
                               "cut \xe2\x82",
                               "overlong \xc0\xaf",
                               "surrogate \xed\xa0\x80",
                               "\xf4\x90\x80\x80"};
  for (const std::string& name : names) {
    const std::string text = to_json_text(name);
    CHECK(from_json_text(text) == name);
    const std::string json = nlohmann::json(text).dump();  // throws for text that is not UTF-8
    CHECK(from_json_text(nlohmann::json::parse(json).get<std::string>()) == name);
  }
  CHECK(to_json_text("caf\xc3\xa9") == "caf\xc3\xa9");
}

TEST_CASE("Text for people holds no control character and ends", "[core]") {
  CHECK(printable("a\nb\tc\\d") == "a\\nb\\tc\\\\d");
  CHECK(printable("\x1b[2Jgone") == "\\x1b[2Jgone");
  CHECK(printable("caf\xc3\xa9 caf\xe9") == "caf\xc3\xa9 caf\\xe9");
  CHECK(printable("\xc2\x9b"
                  "31m") == "\\xc2\\x9b31m");  // a control character of two bytes
  CHECK(printable(std::string(100, 'x'), 10) == "xxxxxxxxxx ... (100 bytes)");
}
