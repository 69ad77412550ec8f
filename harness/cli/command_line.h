// The command line as a whole: which command is meant, what its options got, and errors of usage in our words.
#pragma once

#include "harness/cli/command.h"

namespace qcface::cli {

/// Parses into the option tables and returns the command to run; nullptr where --help or --version was all that was
/// asked for, which is then printed. Throws UsageError: unknown command or option with the nearest known one, missing
/// or surplus arguments, wrong values.
const Command* parse_command_line(CLI::App& root, const Commands& commands, int argc,
                                  const char* const* argv);

}  // namespace qcface::cli
