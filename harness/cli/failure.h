// What ends the program, in one sentence for people.
#pragma once

namespace qcface::cli {

/// Call in a catch block: reports the exception to stderr and to the run's log.txt, and returns the exit status: 2 for
/// an error of usage, 128 + signal after a signal, 1 for everything else.
int report_failure() noexcept;

}  // namespace qcface::cli
