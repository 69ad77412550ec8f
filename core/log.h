// Logging goes through spdlog: progress and results to stdout, warnings and errors to stderr (see
// harness/console/logging.h). This header only keeps the slow spdlog headers out of everything else's way.
#pragma once

#include <spdlog/spdlog.h>

namespace qcface::log {
using spdlog::debug;
using spdlog::error;
using spdlog::info;
using spdlog::warn;
}  // namespace qcface::log
