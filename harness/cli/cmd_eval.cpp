// `eval NAME`: a command of every protocol in the table.
#include "core/atomic_file.h"
#include "core/log.h"
#include "harness/cli/command.h"
#include "harness/cli/model_flags.h"
#include "harness/console/usage.h"
#include "harness/eval/protocol.h"

namespace qcface::cli {
namespace {

struct Flags {
  ModelFlags model;
  std::string data, out = "eval";
  std::unique_ptr<eval::Measurement> measurement;
};

void add_protocol(CLI::App& root, Commands& commands, const eval::Protocol& protocol) {
  Command& command = add_command(root, commands, std::string("eval ") + protocol.name, protocol.help);
  auto flags = std::make_shared<Flags>();
  flags->measurement = protocol.make();
  OptionTable& table = *command.table;
  flags->model.add_to(table);
  table.add("--data", flags->data, protocol.data);
  table.add("--out", flags->out, std::string("Folder for ") + protocol.files);
  flags->measurement->add_options(table);
  command.run = [flags, &table, &protocol] {
    eval::Measurement& measurement = *flags->measurement;
    require_usage(!flags->data.empty(), "--data is missing: give the {}{}",
                  static_cast<char>(protocol.data[0] - 'A' + 'a'), protocol.data + 1);
    measurement.folder = flags->data;
    measurement.settle(table);
    EmbeddingRun run(flags->model);
    measurement.read();
    require_writable_folder(flags->out, "--out");  // before the long part
    const eval::Result result = measurement.run(run.features);
    const auto written = eval::write_result(flags->out, protocol, result, run.conditions());
    run.progress.clear();
    log::info("{}", eval::screen_text(protocol.present(result)));
    log::info("written: {}", written.size() == 1 ? written.front().string() : flags->out);
    return 0;
  };
}

}  // namespace

void add_eval(CLI::App& root, Commands& commands) {
  for (const eval::Protocol* protocol : eval::protocols()) add_protocol(root, commands, *protocol);
}

}  // namespace qcface::cli
