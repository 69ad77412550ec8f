#include <fmt/format.h>

#include <cstdio>

#include "harness/cli/command.h"

namespace qcface::cli {

void add_docs(CLI::App& root, Commands& commands) {
  Command& command =
      add_command(root, commands, "docs", "Print docs/command-line.md, made from the option tables");
  command.app->group("");  // for maintainers: not listed in --help
  command.run = [&commands] {
    fmt::print(
        "# Command line\n\nMade by `qcface docs > docs/command-line.md` from the option tables; do not "
        "edit.\n\nExit status: 0 done; 1 an error, said in one sentence; 2 an error of usage (unknown option "
        "or "
        "command, a value out of range), also of a value in a configuration file; 128 + the signal's number "
        "after "
        "SIGINT, SIGTERM, SIGHUP or SIGUSR1: `qcface train` saves first ([training](training.md)), every "
        "other command "
        "ends within about a second. Where the system refuses threads (a container's limit), fewer are used "
        "and a "
        "warning says so.\n");
    for (const auto& each : commands) {
      if (each->name == "docs") continue;
      std::string arguments;
      for (const CLI::Option* option : each->app->get_options()) {
        if (option->get_positional()) arguments += " " + option->get_name(true);
      }
      fmt::print("\n## qcface {}{}\n\n{}.\n\n{}", each->name, arguments, each->summary,
                 each->table->markdown());
    }
    return 0;
  };
}

}  // namespace qcface::cli
