#include "harness/console/interrupt.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstring>
#include <string>

namespace qcface {
namespace {

// For signal handlers and threads alike: ranks may be threads of one process.
std::atomic<int> caught = 0;
std::atomic<int> stop_seconds = 0;
static_assert(std::atomic<int>::is_always_lock_free);

struct SignalName {
  int number;
  const char* name;
};
constexpr std::array<SignalName, 4> kSignals{
    {{SIGINT, "SIGINT"}, {SIGTERM, "SIGTERM"}, {SIGHUP, "SIGHUP"}, {SIGUSR1, "SIGUSR1"}}};

extern "C" void on_signal(int signal) {
  if (caught != 0 && signal == SIGINT) ::_exit(128 + SIGINT);
  if (caught != 0) return;
  caught = signal;
  if (stop_seconds > 0) ::alarm(static_cast<unsigned>(stop_seconds));
}

// Only what a signal handler may call.
extern "C" void on_time_up(int) {
  for (const char* part : {"warning: stopped by ", interrupt_name(), "\n"}) {
    if (::write(STDERR_FILENO, part, std::strlen(part)) < 0) break;
  }
  ::_exit(128 + caught);
}

}  // namespace

void install_interrupt_handlers() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;  // a write under way must not fail half way
  for (const SignalName& signal : kSignals) {
    struct sigaction before {};
    // nohup: the work is to outlive its terminal.
    const bool keep =
        signal.number == SIGHUP && ::sigaction(SIGHUP, nullptr, &before) == 0 && before.sa_handler == SIG_IGN;
    if (!keep) ::sigaction(signal.number, &action, nullptr);
  }
  // A reader that has gone, a limit on file size: both are to arrive as errors of write(), not as death.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

void limit_stop_time(int seconds) {
  stop_seconds = seconds;
  std::signal(SIGALRM, on_time_up);
  ::alarm(interrupted() ? static_cast<unsigned>(seconds) : 0);  // 0 calls off one that runs already
}

bool interrupted() { return caught != 0; }

int interrupt_signal() { return caught; }

void adopt_interrupt(int signal) {
  if (caught == 0) caught = signal;
}

const char* interrupt_name() {
  for (const SignalName& signal : kSignals) {
    if (signal.number == caught) return signal.name;
  }
  return "";
}

Interrupted::Interrupted() : std::runtime_error(std::string("stopped by ") + interrupt_name()) {}

void stop_if_interrupted() {
  if (interrupted()) throw Interrupted();
}

}  // namespace qcface
