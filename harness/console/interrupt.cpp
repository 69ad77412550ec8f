#include "harness/console/interrupt.h"

#include <unistd.h>

#include <array>
#include <csignal>
#include <string>

namespace qcface {
namespace {

volatile std::sig_atomic_t caught = 0;

struct SignalName {
  int number;
  const char* name;
};
constexpr std::array<SignalName, 4> kSignals{
    {{SIGINT, "SIGINT"}, {SIGTERM, "SIGTERM"}, {SIGHUP, "SIGHUP"}, {SIGUSR1, "SIGUSR1"}}};

extern "C" void on_signal(int signal) {
  if (caught != 0 && signal == SIGINT) ::_exit(128 + SIGINT);
  if (caught == 0) caught = signal;
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

bool interrupted() { return caught != 0; }

int interrupt_signal() { return caught; }

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
