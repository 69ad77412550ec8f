// The parts of the report. Each gives markup, and adds its name to `missing` when there is no data for it.
#pragma once

#include <string>
#include <vector>

#include "harness/report/report.h"
#include "harness/report/run_data.h"

namespace qcface::report {

/// Title and links. `lead`: the protocol whose section comes first, or null.
std::string header_section(const RunData& run, const std::string& title, const eval::Protocol* lead);
/// Key figures in a row.
std::string tiles_section(const RunData& run);
std::string facts_section(const RunData& run, std::vector<std::string>& missing);
std::string training_section(const RunData& run, const ReportOptions& options,
                             std::vector<std::string>& missing);
/// Empty where there is no result and none is suggested.
std::string result_section(const RunData& run, const eval::Protocol& protocol, const ReportOptions& options,
                           std::vector<std::string>& missing);
std::string pictures_section(const RunData& run, const ReportOptions& options,
                             std::vector<std::string>& missing);

/// What a protocol presents. Figures that follow each other and are not wide stand side by side; pictures are `side` pixels wide.
std::string presentation_html(const eval::Presentation& presentation, int side);

/// The newest checkpoint as a path to put into a suggested command, or a placeholder.
std::string suggested_weights(const RunData& run);
/// The command that makes a result of the protocol.
std::string suggested_command(const RunData& run, const eval::Protocol& protocol);

}  // namespace qcface::report
