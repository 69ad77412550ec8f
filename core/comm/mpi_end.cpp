// The end of all ranks by an error. It has to work when nothing else does, so it takes no lock and no memory of its own.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>

#include "core/comm/mpi.h"
#include "core/comm/mpi_session.h"
#include "core/log.h"

namespace qcface {
namespace {

constexpr unsigned kMostSeconds = 5;  // for MPI_Abort
constexpr auto kForwarding = std::chrono::milliseconds(300);

std::atomic<bool> is_open{false};
std::atomic<bool> is_ending{false};

/// SIGALRM ends this process, whatever its threads are doing.
void exit_in_a_while() noexcept {
  struct sigaction action {};
  action.sa_handler = [](int) { ::_exit(1); };
  ::sigaction(SIGALRM, &action, nullptr);
  sigset_t alone;
  ::sigemptyset(&alone);
  ::sigaddset(&alone, SIGALRM);
  ::pthread_sigmask(SIG_UNBLOCK, &alone, nullptr);
  ::alarm(kMostSeconds);
}

}  // namespace

bool mpi_is_open() noexcept { return is_open; }
void set_mpi_open(bool open) noexcept { is_open = open; }

void end_all_ranks(int status) noexcept {
  if (!is_open) return;
  exit_in_a_while();
  if (is_ending.exchange(true)) {  // by another thread: the process ends under this one
    for (;;) ::pause();
  }
  try {
    spdlog::default_logger()->flush();
  } catch (...) {  // a full disk, say: no reason to stay
  }
  std::fflush(nullptr);
  // Hydra's proxies end without forwarding what they have not read yet, and that would be the line that says why.
  std::this_thread::sleep_for(kForwarding);
  MPI_Abort(MPI_COMM_WORLD, status == 0 ? 1 : status);
  ::_exit(status == 0 ? 1 : status);
}

}  // namespace qcface
