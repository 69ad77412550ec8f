#include <fmt/format.h>

#include "harness/cli/command.h"
#include "harness/cli/ranks.h"
#include "harness/console/interrupt.h"
#include "harness/train/setup.h"
#include "harness/train/trainer.h"

namespace qcface::cli {

void add_train(CLI::App& root, Commands& commands) {
  Command& command = add_command(root, commands, "train", "Train a backbone with a QCFace head");
  auto options = std::make_shared<train::TrainOptions>();
  train::add_train_options(*command.table, *options);
  command.run = [options, &table = *command.table] {
    return run_on_ranks(options->timeout, [&](Communicator& communicator) {
      const auto run = train::settle_run(table, *options, communicator);
      const auto result =
          train::run_training(*options, train::run_configuration(table), run.resume, communicator);
      if (result.interrupted) return 128 + interrupt_signal();
      return result.evaluation_failed ? 1 : 0;
    });
  };
}

}  // namespace qcface::cli
