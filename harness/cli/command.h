// A command of the executable: its option table and what it does. Each cmd_*.cpp adds its own.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "harness/console/option_table.h"

namespace qcface::cli {

struct Command {
  std::string name;  // "eval verify"
  std::string summary;
  CLI::App* app = nullptr;
  std::unique_ptr<OptionTable> table;
  std::function<int()> run;  // exit status
};

using Commands = std::vector<std::unique_ptr<Command>>;

/// Makes the subcommand (and its group, for "group name") and its empty table.
Command& add_command(CLI::App& root, Commands& commands, const std::string& name, const std::string& summary);

void add_train(CLI::App& root, Commands& commands);
void add_eval(CLI::App& root, Commands& commands);
void add_embed(CLI::App& root, Commands& commands);
void add_checkpoint(CLI::App& root, Commands& commands);
void add_export(CLI::App& root, Commands& commands);
void add_compare(CLI::App& root, Commands& commands);
void add_inspect(CLI::App& root, Commands& commands);
void add_report(CLI::App& root, Commands& commands);
void add_data(CLI::App& root, Commands& commands);
void add_data_align(CLI::App& root, Commands& commands);
void add_data_pack(CLI::App& root, Commands& commands);
void add_data_convert(CLI::App& root, Commands& commands);
void add_data_degrade(CLI::App& root, Commands& commands);
void add_data_verify(CLI::App& root, Commands& commands);
void add_data_stats(CLI::App& root, Commands& commands);
/// `docs`: prints docs/command-line.md, made from the tables of all commands.
void add_docs(CLI::App& root, Commands& commands);

}  // namespace qcface::cli
