// qcface: train, resume, evaluate and inspect QCFace models.
#include <exception>

#include "core/log.h"
#include "harness/cli/command.h"
#include "harness/console/interrupt.h"
#include "harness/console/logging.h"

namespace qcface::cli {

Command& add_command(CLI::App& root, Commands& commands, const std::string& name,
                     const std::string& summary) {
  CLI::App* parent = &root;
  std::string leaf = name;
  if (const std::size_t space = name.find(' '); space != std::string::npos) {
    const std::string group = name.substr(0, space);
    leaf = name.substr(space + 1);
    const auto groups = root.get_subcommands([&](const CLI::App* app) { return app->get_name() == group; });
    parent = groups.empty() ? root.add_subcommand(group)->require_subcommand(1) : groups.front();
  }
  auto command = std::make_unique<Command>();
  command->name = name;
  command->summary = summary;
  command->app = parent->add_subcommand(leaf, summary);
  command->table = std::make_unique<OptionTable>(*command->app);
  commands.push_back(std::move(command));
  return *commands.back();
}

namespace {

int run(int argc, char** argv) {
  CLI::App root("QCFace training and evaluation. `qcface COMMAND --help` lists a command's options.",
                "qcface");
  root.set_version_flag("--version", QCFACE_VERSION);
  root.require_subcommand(1);
  Commands commands;
  add_train(root, commands);
  add_eval(root, commands);
  add_embed(root, commands);
  add_inspect(root, commands);
  add_report(root, commands);
  add_data(root, commands);
  add_docs(root, commands);
  for (const char* group : {"eval", "data"}) {
    root.get_subcommand(group)->description(std::string(group) == "eval" ? "Measure a model"
                                                                         : "Make and time picture sets");
  }
  if (argc > 1 && argv[1][0] != '-') {
    const auto known = root.get_subcommands([&](const CLI::App* app) { return app->get_name() == argv[1]; });
    require(!known.empty(), "unknown command {}; `qcface --help` lists the commands", argv[1]);
  }
  try {
    root.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return root.exit(error);  // help and version: 0; a wrong option: its message, non-zero
  }
  for (const auto& command : commands) {
    if (command->app->parsed()) return command->run();
  }
  return 1;
}

}  // namespace
}  // namespace qcface::cli

int main(int argc, char** argv) {
  try {
    qcface::start_logging();
    qcface::install_interrupt_handlers();
    return qcface::cli::run(argc, argv);
  } catch (const qcface::Interrupted& stop) {
    qcface::log::warn("{}", stop.what());
    return 128 + qcface::interrupt_signal();
  } catch (const std::exception& error) {
    qcface::log::error("{}", error.what());  // to stderr, and to the run's log.txt
  }
  return 1;
}
