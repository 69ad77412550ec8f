// SIGINT and SIGTERM ask for a clean stop; a second Ctrl-C leaves at once.
#pragma once

namespace qcface {

/// Installs the handlers. Call once, from main's thread, before worker threads start.
void install_interrupt_handlers();
/// True after the first SIGINT or SIGTERM.
bool interrupted();
/// Name of the signal that was caught, "" if none.
const char* interrupt_name();

}  // namespace qcface
