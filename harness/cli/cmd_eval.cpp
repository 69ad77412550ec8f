// `eval NAME`: a command of every protocol in the table.
#include "core/atomic_file.h"
#include "core/log.h"
#include "harness/cli/command.h"
#include "harness/cli/model_flags.h"
#include "harness/cli/ranks.h"
#include "harness/console/compute_threads.h"
#include "harness/console/logging.h"
#include "harness/console/usage.h"
#include "harness/eval/protocol.h"

namespace qcface::cli {
namespace {

struct EvalFlags {
  ModelFlags model;
  std::string features, names, data, out = "eval";
  std::unique_ptr<eval::Measurement> measurement;
};

// Measures and writes; `conditions` say how the result came about.
void evaluate(const eval::Protocol& protocol, EvalFlags& flags, eval::FeatureSource& features,
              const eval::Conditions& conditions, Progress* progress) {
  eval::Measurement& measurement = *flags.measurement;
  {
    const OneRankWarns same_lists;
    measurement.read();
  }
  const bool leads = features.options().leads();
  if (leads) require_writable_folder(flags.out, "--out");  // before the long part
  const eval::Result result = eval::measure(measurement, features);
  if (!leads) return;
  const auto written = eval::write_result(flags.out, protocol, result, conditions);
  if (progress != nullptr) progress->clear();
  log::info("{}", eval::screen_text(protocol.present(result)));
  log::info("written: {}", written.size() == 1 ? written.front().string() : flags.out);
}

// With embeddings that another program made.
void evaluate_file(const eval::Protocol& protocol, EvalFlags& flags, const OptionTable& table) {
  require_usage(!flags.names.empty(), "--features needs --names: a text of the pictures' names, one a row");
  for (const char* key : {"weights", "family", "cache", "embed_dims"}) {  // --backbone may name a preset
    require_usage(!table.given(key), "--features and --{} contradict each other: the embeddings are made",
                  key);
  }
  const bool chosen = table.chosen("flip") || table.chosen("use_flip_test");
  eval::FileFeatures features(flags.features, flags.names,
                              chosen ? std::optional(flags.model.flip) : std::nullopt, protocol.flip);
  flags.measurement->names = &features.names();
  log::info("features: {}: {} rows of width {}, flip {}", flags.features, features.names().size(),
            features.width(), name_of(features.options().flip));
  evaluate(protocol, flags, features, {{"features", flags.features}, {"names", flags.names}}, nullptr);
}

void add_protocol(CLI::App& root, Commands& commands, const eval::Protocol& protocol) {
  Command& command = add_command(root, commands, std::string("eval ") + protocol.name, protocol.help);
  auto flags = std::make_shared<EvalFlags>();
  flags->model.flip = protocol.flip;
  flags->measurement = protocol.make();
  OptionTable& table = *command.table;
  flags->model.add_to(table);
  table.add("--loss_model", flags->model.loss_model,
            "Names the preset of the quality-aware score: LOSS_MODEL/BACKBONE");
  table.add("--train_data", flags->model.train_data, "Taken from published commands; nothing rests on it");
  table.add(
      "--features", flags->features,
      "Embeddings of another program in place of --weights: .npy, float32 [n, D] or [n, 2, D] with mirror "
      "images");
  table.add(
      "--names", flags->names,
      "Names of the pictures of --features, one a row: a text or an .npy; the pictures need not be there");
  table.add("--data,--data_root", flags->data, protocol.data);
  table.add("--out,--result_dir", flags->out, std::string("Folder for ") + protocol.files);
  flags->measurement->add_options(table);
  command.run = [flags, &table, &protocol] {
    require_usage(!flags->data.empty() || !flags->features.empty(), "--data is missing: give the {}{}",
                  static_cast<char>(protocol.data[0] - 'A' + 'a'), protocol.data + 1);
    flags->model.settle(table);
    eval::Measurement& measurement = *flags->measurement;
    measurement.folder = flags->data;
    require_usage(
        flags->model.loss_model.empty() || !flags->model.arch.empty(),
        "--loss_model needs --backbone: the two together name the preset of the quality-aware score");
    if (!flags->model.loss_model.empty())
      measurement.preset = flags->model.loss_model + "/" + flags->model.arch;
    measurement.settle(table);
    return run_on_ranks(flags->model.timeout, [&](Communicator& communicator) {
      const int threads = threads_of_rank(flags->model.threads, communicator);
      if (!flags->features.empty()) {
        require_usage(
            communicator.size() == 1,
            "--features with {} processes: the embeddings are there already, give the command without "
            "its launcher",
            communicator.size());
        measurement.scorer = nn::make_scorer(flags->model.chosen_device(communicator), threads);
        evaluate_file(protocol, *flags, table);
        return 0;
      }
      EmbeddingRun run(flags->model, communicator);
      measurement.scorer = nn::make_scorer(run.device(), threads);
      evaluate(protocol, *flags, run.features, run.conditions(), &run.progress);
      return 0;
    });
  };
}

}  // namespace

void add_eval(CLI::App& root, Commands& commands) {
  for (const eval::Protocol* protocol : eval::protocols()) add_protocol(root, commands, *protocol);
}

}  // namespace qcface::cli
