#include "core/log.h"
#include "harness/cli/command.h"
#include "harness/cli/model_flags.h"
#include "harness/console/progress.h"
#include "harness/eval/commands.h"

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
  table.add("--data", flags->data, "Folder of pictures, read with its subfolders");
  table.add("--out", flags->out, "Folder for embeddings.npy, filenames.npy, magnitudes.csv");
  command.run = [flags] {
    require(!flags->data.empty(), "--data is missing: give the folder of the pictures");
    model::Model model = flags->model.load();
    eval::EmbedOptions options;
    options.images = flags->data;
    options.out = flags->out;
    options.extract = flags->model.extract(model);
    Progress progress("embedding", 1, "pictures");
    options.extract.progress = [&](std::size_t done, std::size_t total) { progress.update_of(done, total); };
    model::NetworkEmbedder embedder(*model.network, flags->model.batch_size);
    const eval::EmbedResult result = eval::run_embed(embedder, options);
    progress.clear();
    log::info(
        "{} embeddings of width {} in {}; magnitude {:.2f} / {:.2f} / {:.2f} (min / mean / max); {} pictures "
        "unreadable",
        result.pictures, result.width, options.out.string(), result.magnitude_min, result.magnitude_mean,
        result.magnitude_max, result.corrupt.size());
    return 0;
  };
}

}  // namespace qcface::cli
