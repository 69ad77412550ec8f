#include "tests/core/comm/ranks.h"

#include <spdlog/sinks/stdout_sinks.h>

#include <cstdio>
#include <exception>

#include "core/error.h"
#include "core/log.h"

int main(int count, char** values) {
  spdlog::set_default_logger(spdlog::stderr_logger_mt("ranks"));
  spdlog::set_pattern("%l: %v");
  const std::vector<std::string> arguments(values + 1, values + count);
  try {
    qcface::require(!arguments.empty(), "expected check, loop or measure");
    if (arguments.front() == "check") qcface::test::check_all();
    if (arguments.front() == "loop") qcface::test::loop(arguments);
    if (arguments.front() == "measure") qcface::test::measure();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    qcface::end_all_ranks(1);
    return 1;
  }
}
