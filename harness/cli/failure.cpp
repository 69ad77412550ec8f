#include "harness/cli/failure.h"

#include <csignal>
#include <exception>
#include <filesystem>
#include <new>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <system_error>

#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "harness/console/interrupt.h"
#include "harness/console/standard_streams.h"
#include "harness/console/usage.h"

namespace qcface::cli {
namespace {

void report_out_of_memory() {
  log::error(
      "out of memory: the system gave no more; try a smaller --batch-size, fewer --workers or a smaller "
      "model, and "
      "look whether a file named here is damaged");
}

int report() {
  try {
    throw;
  } catch (const Interrupted& stop) {
    log::warn("{}", stop.what());
    return 128 + interrupt_signal();
  } catch (const UsageError& error) {
    log::error("{}", error.what());
    return 2;
  } catch (const Error& error) {
    log::error("{}", error.what());
  } catch (const std::bad_alloc&) {
    report_out_of_memory();
  } catch (const std::length_error&) {  // a container that was asked for more than any memory holds
    report_out_of_memory();
  } catch (const std::filesystem::filesystem_error& error) {
    const auto& second = error.path2();
    log::error("{}{}{}: {}", error.path1().string(), second.empty() ? "" : ", ", second.string(),
               error.code().message());
  } catch (const std::system_error& error) {
    // Printing to a reader that has gone: as other programs that such a pipe ends, without a word.
    if (std::ferror(stdout) != 0) return reader_is_gone() ? 128 + SIGPIPE : 1;
    log::error("the system refused: {}", error.code().message());
  } catch (const nlohmann::json::exception& error) {
    log::error("a value of a JSON file is not what it should be: {}", json_problem(error));
  } catch (const std::exception& error) {
    log::error("{}", error.what());
  } catch (...) {
    log::error("an error that says nothing about itself");
  }
  return 1;
}

}  // namespace

int report_failure() noexcept {
  try {
    return report();
  } catch (...) {  // not even room for the message
    return 1;
  }
}

}  // namespace qcface::cli
