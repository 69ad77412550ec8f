#include "harness/console/logging.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

#include "core/error.h"

namespace qcface {
namespace {

// Lets through the levels [low, high) so that one logger serves stdout and stderr.
class StdoutSink final : public spdlog::sinks::stdout_sink_mt {
 public:
  void log(const spdlog::details::log_msg& message) override {
    if (message.level < spdlog::level::warn) spdlog::sinks::stdout_sink_mt::log(message);
  }
};

std::shared_ptr<spdlog::logger>& logger() {
  static std::shared_ptr<spdlog::logger> instance;
  return instance;
}

}  // namespace

void start_logging() {
  if (logger()) return;
  auto out = std::make_shared<StdoutSink>();
  auto err = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  err->set_level(spdlog::level::warn);
  out->set_pattern("%v");
  err->set_pattern("%l: %v");
  logger() = std::make_shared<spdlog::logger>("qcface", spdlog::sinks_init_list{out, err});
  logger()->flush_on(spdlog::level::info);
  spdlog::set_default_logger(logger());
}

void log_to_file(const std::filesystem::path& path) {
  start_logging();
  try {
    auto file = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path.string(), false);
    file->set_pattern("%Y-%m-%d %H:%M:%S.%e %l %v");
    logger()->sinks().push_back(file);
  } catch (const spdlog::spdlog_ex& error) {
    fail("{}: the log cannot be written: {}", path.string(), error.what());
  }
}

}  // namespace qcface
