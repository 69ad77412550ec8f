#include <fmt/format.h>

#include "core/communicator.h"
#include "harness/cli/command.h"
#include "harness/train/trainer.h"

namespace qcface::cli {

void add_train(CLI::App& root, Commands& commands) {
  Command& command = add_command(root, commands, "train", "Train a backbone with a QCFace head");
  auto options = std::make_shared<train::TrainOptions>();
  train::add_train_options(*command.table, *options);
  command.run = [options, &table = *command.table] {
    const auto resume = train::settle_options(table, *options);
    const auto communicator = make_single_communicator();
    train::run_training(*options, train::run_configuration(table), resume, *communicator);
    return 0;
  };
}

}  // namespace qcface::cli
