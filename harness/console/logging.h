// Where log lines go: information to stdout, warnings and errors to stderr, all of it also to a run's
// log.txt.
#pragma once

#include <filesystem>

namespace qcface {

/// Console only; call once at the start.
void start_logging();
/// Adds a file (appended to) until the end of the process. Throws Error naming it if it cannot be written.
void log_to_file(const std::filesystem::path& path);

}  // namespace qcface
