#include <memory>
#include <string>

#include "core/log.h"
#include "harness/cli/command.h"
#include "harness/console/usage.h"
#include "harness/model/merge_parts.h"

namespace qcface::cli {

void add_checkpoint(CLI::App& root, Commands& commands) {
  Command& command = add_command(root, commands, "checkpoint merge",
                                 "Make one file of a checkpoint that several processes wrote");
  struct MergeFlags {
    std::string checkpoint, out;
  };
  auto flags = std::make_shared<MergeFlags>();
  command.table->add("--checkpoint", flags->checkpoint,
                     "Folder, for example <run>/checkpoints/best.safetensors");
  command.table->add("--out", flags->out, "File to write");
  command.run = [flags] {
    require_usage(!flags->checkpoint.empty(), "--checkpoint is missing: name the folder of a checkpoint");
    require_usage(!flags->out.empty(), "--out is missing: name the file to write");
    model::merge_parts(flags->checkpoint, flags->out);
    log::info("made {} of {}", flags->out, flags->checkpoint);
    return 0;
  };
}

}  // namespace qcface::cli
