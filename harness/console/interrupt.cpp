#include "harness/console/interrupt.h"

#include <unistd.h>

#include <csignal>

namespace qcface {
namespace {

volatile std::sig_atomic_t caught = 0;

extern "C" void on_signal(int signal) {
  if (caught != 0 && signal == SIGINT) ::_exit(128 + SIGINT);
  caught = signal;
}

}  // namespace

void install_interrupt_handlers() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;  // a write under way must not fail half way
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  // A limit on file size, like a full disk, is to arrive as an error of write(), not as death.
  std::signal(SIGXFSZ, SIG_IGN);
}

bool interrupted() { return caught != 0; }

const char* interrupt_name() { return caught == SIGINT ? "SIGINT" : caught == SIGTERM ? "SIGTERM" : ""; }

}  // namespace qcface
