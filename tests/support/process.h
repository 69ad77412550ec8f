// Runs a program as a user's shell would, and collects what it prints.
#pragma once

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/no_threads.h"

namespace qcface::test {

struct ProcessResult {
  int status = -1;     // exit status, or 128 + signal
  std::string output;  // stdout and stderr in order
  bool ok() const { return status == 0; }
  bool says(const std::string& text) const { return output.find(text) != std::string::npos; }
};

struct ProcessOptions {
  std::optional<double> signal_after_s;  // send `signal` after this time
  int signal = SIGKILL;
  std::string signal_when_says;  // send `signal` as soon as the output holds this text
  bool no_threads = false;       // the system refuses every thread, as a container at its limit does
  std::vector<int> closed;       // descriptors closed before the program starts
  std::string working_folder;    // empty: this process's
  std::optional<std::size_t> file_size_limit;  // bytes; larger files fail to grow, as on a full disk
};

inline ProcessResult run_process(const std::vector<std::string>& arguments,
                                 const ProcessOptions& options = {}) {
  char name[] = "/tmp/qcface-process-XXXXXX";
  const int capture = ::mkstemp(name);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(capture, STDOUT_FILENO);
    ::dup2(capture, STDERR_FILENO);
    if (options.file_size_limit) {
      const rlimit limit{*options.file_size_limit, *options.file_size_limit};
      ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    if (!options.working_folder.empty() && ::chdir(options.working_folder.c_str()) != 0) ::_exit(126);
    for (const int descriptor : options.closed) ::close(descriptor);
    if (options.no_threads && !refuse_threads()) ::_exit(126);
    std::vector<char*> argv;
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  const auto output = [&] {
    std::ifstream file(name);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  if (!options.signal_when_says.empty()) {
    siginfo_t ended{};
    while (output().find(options.signal_when_says) == std::string::npos &&
           ::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           ended.si_pid == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    ::kill(child, options.signal);
  }
  if (options.signal_after_s) {
    std::this_thread::sleep_for(std::chrono::duration<double>(*options.signal_after_s));
    ::kill(child, options.signal);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ::close(capture);
  ProcessResult result;
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  result.output = output();
  std::filesystem::remove(name);
  return result;
}

}  // namespace qcface::test
