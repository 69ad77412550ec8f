// Signals that ask for a clean stop: SIGINT, SIGTERM, SIGHUP (unless nohup set it to be ignored) and SIGUSR1, which
// schedulers send before a job's time is up. A second Ctrl-C leaves at once. SIGPIPE and SIGXFSZ are ignored: what they
// stand for arrives as an error of write().
#pragma once

#include <stdexcept>

namespace qcface {

/// Installs the handlers. Call once, from main's thread, before worker threads start.
void install_interrupt_handlers();
/// True after the first of those signals.
bool interrupted();
/// Number and name of the signal that was caught; 0 and "" if none.
int interrupt_signal();
const char* interrupt_name();
/// As if this process had caught the signal of that number, which another one of the same work did.
void adopt_interrupt(int signal);

/// For work that has nothing to save: after a signal the process leaves at the latest after so many seconds, with the
/// same line and exit status, wherever it is (a model that is being read, a batch that is being computed). 0: no limit.
void limit_stop_time(int seconds);
/// The same for a part of a command.
class StopLimit {
 public:
  explicit StopLimit(int seconds) { limit_stop_time(seconds); }
  ~StopLimit() { limit_stop_time(0); }
  StopLimit(const StopLimit&) = delete;
  StopLimit& operator=(const StopLimit&) = delete;
};

/// Ends a command that has nothing to save; main turns it into one line and the exit status 128 + signal. No Error, so
/// that code which reports an Error and goes on does not hold a stop back.
struct Interrupted : std::runtime_error {
  Interrupted();
};
/// Throws Interrupted after such a signal. Long loops call it once a batch, a picture or a second.
void stop_if_interrupted();

}  // namespace qcface
