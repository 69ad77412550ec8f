#include "core/log.h"
#include "harness/cli/command.h"
#include "harness/cli/model_flags.h"
#include "harness/cli/ranks.h"
#include "harness/console/usage.h"
#include "harness/eval/features/embed.h"

namespace qcface::cli {

void add_embed(CLI::App& root, Commands& commands) {
  Command& command = add_command(root, commands, "embed",
                                 "Embeddings and magnitudes of a folder of pictures, as .npy and CSV");
  struct Flags {
    ModelFlags model;
    std::string data, out = "embeddings";
  };
  auto flags = std::make_shared<Flags>();
  OptionTable& table = *command.table;
  flags->model.add_to(table);
  table.add("--data,--source_dir", flags->data, "Folder of pictures, read with its subfolders");
  table.add("--out,--result_dir", flags->out, "Folder for embeddings.npy, filenames.npy, magnitudes.csv");
  command.run = [flags, &table] {
    flags->model.settle(table);
    require_usage(!flags->data.empty(), "--data is missing: give the folder of the pictures");
    return run_on_ranks(flags->model.timeout, [&](Communicator& communicator) {
      EmbeddingRun run(flags->model, communicator);
      const eval::EmbedResult result = eval::run_embed(run.features, flags->data, flags->out);
      run.progress.clear();
      log::info(
          "{} embeddings of width {} in {}; magnitude {:.2f} / {:.2f} / {:.2f} (min / mean / max); "
          "{} pictures unreadable{}",
          result.pictures, result.width, flags->out, result.magnitude_min, result.magnitude_mean,
          result.magnitude_max, result.corrupt.size(),
          result.left_out.count() > 0
              ? fmt::format(", {} left out: {}", result.left_out.count(), result.left_out.describe())
              : "");
      return 0;
    });
  };
}

}  // namespace qcface::cli
