// qcface: train, resume, evaluate and inspect QCFace models.
#include <memory>
#include <string>
#include <utility>

#include "harness/cli/command.h"
#include "harness/cli/command_line.h"
#include "harness/cli/failure.h"
#include "harness/console/interrupt.h"
#include "harness/console/logging.h"
#include "harness/console/standard_streams.h"
#include "harness/data/opencv_threads.h"

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
  add_export(root, commands);
  add_checkpoint(root, commands);
  add_compare(root, commands);
  add_inspect(root, commands);
  add_report(root, commands);
  add_data(root, commands);
  add_docs(root, commands);
  root.get_subcommand("eval")->description("Measure a model");
  root.get_subcommand("data")->description("Make, convert, check and time picture sets");
  root.get_subcommand("checkpoint")->description("Checkpoints of several processes");
  const Command* command = parse_command_line(root, commands, argc, argv);
  if (command == nullptr) return 0;
  constexpr int kStopSeconds = 1;
  if (command->name != "train") limit_stop_time(kStopSeconds);  // training saves first
  return command->run();
}

}  // namespace
}  // namespace qcface::cli

int main(int argc, char** argv) {
  qcface::open_standard_streams();
  int status = 1;
  try {
    qcface::start_logging();
    qcface::install_interrupt_handlers();
    qcface::data::keep_opencv_on_one_thread();
    status = qcface::cli::run(argc, argv);
  } catch (...) {
    status = qcface::cli::report_failure();
  }
  return qcface::end_standard_output(status, "qcface");
}
