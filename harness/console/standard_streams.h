// Standard input, output and error as every program needs them. Header only: the benchmarks of the kernels are built
// where nothing else of the harness is.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>

namespace qcface {

/// First thing in main. A descriptor 0, 1 or 2 that is closed (a daemon, some schedulers) is opened on /dev/null: the
/// next file that is opened would get its number, and with it whatever is printed.
inline void open_standard_streams() {
  for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; ++descriptor) {
    if (::fcntl(descriptor, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest free number is taken, and those below are open.
    if (::open("/dev/null", O_RDWR) != descriptor) std::_Exit(1);
  }
}

/// True if standard output is a pipe that nobody reads any more.
inline bool reader_is_gone() {
  pollfd output{STDOUT_FILENO, 0, 0};
  return ::poll(&output, 1, 0) == 1 && (output.revents & POLLERR) != 0;
}

/// Last thing in main: the exit status, which is not 0 where something printed did not arrive. A full disk behind `>` is
/// said in one sentence; a reader that has seen enough (`| head`) is no error.
inline int end_standard_output(int status, const char* program) {
  std::cout.flush();
  errno = 0;
  const bool flushed = std::fflush(stdout) == 0;
  const int code = errno;
  if ((flushed && std::ferror(stdout) == 0 && std::cout.good()) || reader_is_gone()) return status;
  std::fprintf(stderr, "%s: standard output could not be written%s%s\n", program, code != 0 ? ": " : "",
               code != 0 ? std::strerror(code) : "");
  return status != 0 ? status : 1;
}

}  // namespace qcface
