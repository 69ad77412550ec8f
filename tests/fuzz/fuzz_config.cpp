#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/json.h"
#include "harness/console/option_table.h"
#include "tests/fuzz/target.h"

using namespace qcface;

QCFACE_FUZZ_TARGET(json) {
  const auto value = parse_json<nlohmann::ordered_json>(fuzz::text_of(bytes));
  fuzz::expect(parse_json<nlohmann::ordered_json>(value.dump()) == value, "JSON that does not come back");
}

// An option of every kind.
QCFACE_FUZZ_TARGET(config) {
  enum class Colour { kRed, kGreen };
  CLI::App app;
  OptionTable table(app);
  std::string text = "default";
  std::vector<std::string> texts{"a", "b"};
  int number = 3;
  std::uint64_t seed = 0;
  double rate = 0.1;
  std::vector<double> rates{1, 2};
  std::array<double, 3> three{1, 2, 3};
  Colour colour = Colour::kRed;
  bool flag = false;
  table.add("-t,--text", text, "A text");
  table.add("--texts", texts, "Texts");
  table.add_number("--number", number, -5, 1000, "An integer");
  table.add_number("--seed", seed, 0, kLargestSeed, "A seed");
  table.add_number("--rate", rate, -1e300, 1e300, "A number");
  table.add_number("--rates", rates, 0, 10, "Numbers");
  table.add_number("--three", three, 0, 10, "Three numbers");
  table.add_choice("--colour", colour, {{"red", Colour::kRed}, {"green", Colour::kGreen}}, "A choice");
  table.add_flag("--flag", flag, "A switch");
  table.apply_config_file(fuzz::file_of(bytes));
  // What was taken can be written, read and taken again.
  const auto resolved = table.resolved();
  table.apply_config(parse_json<OptionTable::Json>(resolved.dump()), "again");
  fuzz::expect(table.resolved() == resolved, "a configuration that does not come back");
}
