#include "harness/console/option_table.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/catch.h"

using namespace qcface;

namespace {

enum class Shade { kLight, kDark };

struct Options {
  int count = 3;
  std::int64_t steps = 5;
  std::uint64_t seed = 7;
  double rate = 0.5;
  std::vector<int> drops{1, 2};
  std::array<double, 3> mean{0.1, 0.2, 0.3};
  std::string folder = "out";
  std::vector<std::string> sets;
  std::optional<Shade> choice;
  bool flag = false;
};

struct Program {
  CLI::App app;
  OptionTable table{app};
  Options options;
  Program() {
    table.add_number("--count", options.count, 1, 100, "Count");
    table.add_number("--steps", options.steps, 0, 1'000'000'000'000, "Steps");
    table.add_number("--seed", options.seed, 0, kLargestSeed, "Seed");
    table.add_number("--rate", options.rate, 0, 1e30, "Rate");
    table.add_number("--drops", options.drops, 0, 1000, "Drops")->expected(0, 10);
    table.add_number("--mean", options.mean, -1, 1, "Mean");
    table.add("--folder", options.folder, "Folder");
    table.add("--sets", options.sets, "Sets")->expected(0, 10);
    table.add_choice("--choice", options.choice,
                     {{"auto", std::nullopt}, {"light", Shade::kLight}, {"dark", Shade::kDark}}, "Choice");
    table.add_flag("--flag", options.flag, "Flag");
  }
  void parse(std::vector<std::string> arguments) {
    std::reverse(arguments.begin(), arguments.end());  // as the library wants them
    app.parse(arguments);
  }
};

std::string problem(const std::string& config) {
  Program program;
  try {
    program.table.apply_config(OptionTable::Json::parse(config), "file");
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("numbers of a configuration are never wrapped, cut or converted", "[cli]") {
  CHECK(problem(R"({"count": 4294967297})") ==
        "file: option \"count\" is 4294967297, expected an integer from 1 to 100");
  for (const char* wrong : {R"({"count": 1.5})",
                            R"({"count": -1})",
                            R"({"count": "3"})",
                            R"({"count": true})",
                            R"({"count": null})",
                            R"({"count": [3]})",
                            R"({"count": 18446744073709551616})",
                            R"({"steps": 9223372036854775808})",
                            R"({"seed": -1})",
                            R"({"seed": 1.0})",
                            R"({"seed": 18446744073709551616})",
                            R"({"rate": "0.1"})",
                            R"({"rate": -0.1})",
                            R"({"rate": 1e31})",
                            R"({"drops": 3})",
                            R"({"drops": [4294967296]})",
                            R"({"drops": [1, "2"]})",
                            R"({"mean": [0.5, 0.5]})",
                            R"({"mean": [0.5, 0.5, 0.5, 0.5]})",
                            R"({"mean": 0.5})",
                            R"({"mean": {"0": 1, "1": 1, "2": 1}})",
                            R"({"folder": 3})",
                            R"({"sets": "one"})",
                            R"({"sets": [1]})",
                            R"({"choice": "c"})",
                            R"({"choice": 1})",
                            R"({"flag": 1})",
                            R"({"Count": 3})",
                            "[1]"}) {
    INFO(wrong);
    CHECK(problem(wrong).find("file: ") == 0);
  }
}

TEST_CASE("numbers at the ends of their types and ranges are taken as they are", "[cli]") {
  Program program;
  program.table.apply_config(
      OptionTable::Json::parse(
          R"({"count": 100, "steps": 1000000000000, "seed": 18446744073709551615, "rate": 1, "drops": [],
              "mean": [-1, 0, 1]})"),
      "file");
  CHECK(program.options.count == 100);
  CHECK(program.options.steps == 1'000'000'000'000);
  CHECK(program.options.seed == kLargestSeed);
  CHECK(program.options.rate == 1);
  CHECK(program.options.drops.empty());
  CHECK(program.options.mean[2] == 1);

  Program other;
  other.parse({"--count", "010", "--seed", "18446744073709551615", "--rate", "+1e-3", "--mean", "-1", ".5",
               "1", "--drops", "7", "8"});
  CHECK(other.options.count == 10);  // not octal
  CHECK(other.options.seed == kLargestSeed);
  CHECK(other.options.rate == 1e-3);
  CHECK(other.options.mean[1] == 0.5);
  CHECK(other.options.drops == std::vector<int>{7, 8});
}

TEST_CASE("a resolved configuration can be written and given back, whatever bytes its paths have", "[cli]") {
  Program first;
  const std::string name = "caf\xE9/\xEF\xBE\x80";
  first.parse({"--folder", name, "--sets", name, "plain", "--rate", "0.1"});
  const std::string text = first.table.resolved().dump();
  Program second;
  second.table.apply_config(OptionTable::Json::parse(text), "file");
  CHECK(second.options.folder == name);
  CHECK(second.options.sets == std::vector<std::string>{name, "plain"});
  CHECK(second.options.rate == 0.1);
  CHECK(second.table.resolved() == first.table.resolved());
}

TEST_CASE("a refused value of a configuration leaves the option as it was", "[cli]") {
  Program program;
  CHECK_THROWS_AS(program.table.apply_config({{"choice", "c"}}, "file"), UsageError);
  CHECK_FALSE(program.options.choice);
  CHECK_THROWS_AS(program.table.apply_config({{"drops", {5, -1}}}, "file"), UsageError);
  CHECK(program.options.drops == std::vector<int>{1, 2});
}

TEST_CASE("a choice is a value to the program and a name to everybody else", "[cli]") {
  Program program;
  CHECK(program.table.resolved().at("choice") == "auto");
  program.parse({"--choice", "dark"});
  CHECK(program.options.choice == Shade::kDark);
  CHECK(program.table.resolved().at("choice") == "dark");
  Program other;
  other.table.apply_config({{"choice", "light"}}, "file");
  CHECK(other.options.choice == Shade::kLight);
  CHECK(problem(R"({"choice": "drak"})") ==
        "file: option \"choice\" is drak, expected one of auto, light, dark; did you mean dark?");
  CHECK(problem(R"({"choice": ""})") ==
        "file: option \"choice\" is empty, expected one of auto, light, dark");
  Program wrong;
  CHECK_THROWS_AS(wrong.parse({"--choice", "lightt"}), UsageError);
  CHECK_FALSE(wrong.options.choice);
}

TEST_CASE("help and document show ranges and choices", "[cli]") {
  Program program;
  CHECK(program.app.help().find("Choice (auto|light|dark)") != std::string::npos);
  CHECK(program.table.markdown().find("| `--choice` | `auto` |  | Choice (auto\\|light\\|dark) |") !=
        std::string::npos);
  CHECK(program.app.help().find("1..100") != std::string::npos);
  CHECK(program.table.markdown().find("| `--count` | `3` | 1..100 | Count |") != std::string::npos);
}
