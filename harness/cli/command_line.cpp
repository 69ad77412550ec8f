#include "harness/cli/command_line.h"

#include <fmt/format.h>

#include <iostream>
#include <string>
#include <vector>

#include "core/text.h"
#include "harness/console/usage.h"

namespace qcface::cli {
namespace {

constexpr std::size_t kLongestShown = 100;

std::vector<std::string> subcommand_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!sub->get_group().empty()) names.push_back(sub->get_name());
  }
  return names;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

// "; did you mean --batch-size? `qcface train --help` lists the options"
std::string advice(const std::string& word, const std::vector<std::string>& known, const std::string& called,
                   const char* what) {
  const std::string near = did_you_mean(word, known);
  return fmt::format("{} `{} --help` lists the {}", near.empty() ? ";" : near, called, what);
}

[[noreturn]] void refuse_option(const CLI::App& app, const std::string& called, const std::string& argument) {
  const std::string name = argument.substr(0, argument.find('='));
  throw UsageError(fmt::format("unknown option {}{}", printable(name, kLongestShown),
                               advice(name, option_names(app), called, "options")));
}

// The words of a command, before the library sees them: it would take a misspelt one for an argument.
void check_command_words(const CLI::App& root, int argc, const char* const* argv) {
  const CLI::App* app = &root;
  std::string called = "qcface";
  for (int i = 1; !subcommand_names(*app).empty(); ++i) {
    const std::vector<std::string> known = subcommand_names(*app);
    require_usage(i < argc, "{}: no command given, expected one of {}; `{} --help` says what they do", called,
                  fmt::join(known, ", "), called);
    const std::string word = argv[i];
    if (word.starts_with("-")) {
      for (const std::string& option : option_names(*app)) {
        if (word == option) return;  // --help, --version
      }
      refuse_option(*app, called, word);
    }
    const auto found = app->get_subcommands([&](const CLI::App* sub) { return sub->get_name() == word; });
    require_usage(!found.empty(), "unknown command {} {}{}", called, printable(word, kLongestShown),
                  advice(word, known, called, "commands"));
    app = found.front();
    called += " " + word;
  }
}

// What no option and no positional argument took.
void refuse_leftovers(const Command& command) {
  for (const std::string& argument : command.app->remaining()) {
    if (argument == "--") continue;
    if (argument.starts_with("-")) refuse_option(*command.app, "qcface " + command.name, argument);
    throw UsageError(fmt::format("unexpected argument {}; `qcface {} --help` says what the command takes",
                                 printable(argument, kLongestShown), command.name));
  }
}

}  // namespace

const Command* parse_command_line(CLI::App& root, const Commands& commands, int argc,
                                  const char* const* argv) {
  check_command_words(root, argc, argv);
  for (const auto& command : commands) command->app->allow_extras();
  try {
    root.parse(argc, argv);
  } catch (const CLI::Success& wanted) {  // --help, --version
    root.exit(wanted, std::cout, std::cerr);
    return nullptr;
  } catch (const CLI::ParseError& error) {
    for (const auto& command : commands) {
      if (!command->app->parsed()) continue;
      refuse_leftovers(*command);  // a misspelt option often is why something else is missing
      throw UsageError(fmt::format("{}; `qcface {} --help` lists the options", error.what(), command->name));
    }
    throw UsageError(error.what());
  }
  for (const auto& command : commands) {
    if (!command->app->parsed()) continue;
    refuse_leftovers(*command);
    return command.get();
  }
  throw UsageError("no command given; `qcface --help` lists the commands");
}

}  // namespace qcface::cli
