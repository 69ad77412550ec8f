#include "harness/cli/failure.h"

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <new>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>

#include "core/error.h"
#include "harness/console/usage.h"
#include "tests/support/catch.h"

using namespace qcface;

namespace {

struct Report {
  int status;
  std::string text;
};

Report report_of(const std::function<void()>& failing) {
  std::ostringstream out;
  const auto before = spdlog::default_logger();
  const auto logger =
      std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_st>(out));
  logger->set_pattern("%l: %v");
  spdlog::set_default_logger(logger);
  int status = 0;
  try {
    failing();
  } catch (...) {
    status = cli::report_failure();
  }
  spdlog::set_default_logger(before);
  return {status, out.str()};
}

}  // namespace

TEST_CASE("exceptions of libraries reach people as sentences", "[cli]") {
  const Report memory = report_of([] { throw std::bad_alloc(); });
  CHECK(memory.status == 1);
  CHECK(memory.text.find("error: out of memory: ") == 0);
  CHECK(memory.text.find("--batch-size") != std::string::npos);
  CHECK(report_of([] { throw std::length_error("vector::_M_default_append"); }).text == memory.text);

  const Report file = report_of([] { (void)std::filesystem::file_size("/nonexistent/file"); });
  CHECK(file.text == "error: /nonexistent/file: No such file or directory\n");

  const Report json = report_of([] { (void)nlohmann::json(3).get<std::string>(); });
  CHECK(json.text.find("json.exception") == std::string::npos);
  CHECK(json.text.find("type must be string, but is number") != std::string::npos);

  const Report thread = report_of(
      [] { throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again)); });
  CHECK(thread.text == "error: the system refused: Resource temporarily unavailable\n");
  CHECK(report_of([] { throw 3; }).status == 1);
}

TEST_CASE("errors of usage exit with 2, errors of the work with 1", "[cli]") {
  const Report usage = report_of([] { throw UsageError("--lr is x"); });
  CHECK(usage.status == 2);
  CHECK(usage.text == "error: --lr is x\n");
  CHECK(report_of([] { throw Error("file: damaged"); }).status == 1);
}
