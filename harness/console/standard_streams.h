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
#include <exception>
#include <iostream>
#include <string>

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
  errno = 0;
  std::cout.flush();
  const bool flushed = std::fflush(stdout) == 0;
  const int code = errno;
  if ((flushed && std::ferror(stdout) == 0 && std::cout.good()) || reader_is_gone()) return status;
  // The stream does not keep the reason of a failure that came earlier.
  std::fprintf(stderr, "%s: standard output could not be written: %s\n", program,
               code != 0 ? std::strerror(code) : "some of it is lost; is the disk behind it full?");
  return status != 0 ? status : 1;
}

/// For --help of a small program.
[[noreturn]] inline void print_and_exit(const char* program, const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::exit(end_standard_output(0, program));
}

/// main of a small program: the streams, an exception as one line, the exit status of run().
template <class Run>
int run_program(const char* program, Run&& run) {
  open_standard_streams();
  int status = 1;
  try {
    status = run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", program, error.what());
  }
  return end_standard_output(status, program);
}

}  // namespace qcface
