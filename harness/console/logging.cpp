#include "harness/console/logging.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <system_error>

#include "core/error.h"
#include "harness/console/progress.h"

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
  // A full disk under log.txt: said once, not by the library in its own words for every line.
  logger()->set_error_handler([](const std::string& problem) {
    static std::atomic<bool> said{false};
    if (!said.exchange(true)) std::fprintf(stderr, "warning: a log line was lost: %s\n", problem.c_str());
  });
  spdlog::set_default_logger(logger());
}

void log_as_rank(int rank) {
  start_logging();
  if (rank == 0) return;
  Progress::turn_off();
  logger()->set_level(spdlog::level::warn);
  for (const spdlog::sink_ptr& sink : logger()->sinks())
    sink->set_pattern(fmt::format("%l: rank {}: %v", rank));
}

OneRankWarns::OneRankWarns() : silenced_(logger() && logger()->level() == spdlog::level::warn) {
  if (silenced_) logger()->set_level(spdlog::level::err);
}

OneRankWarns::~OneRankWarns() {
  if (silenced_) logger()->set_level(spdlog::level::warn);
}

void log_to_file(const std::filesystem::path& path) {
  start_logging();
  std::error_code missing;
  const auto status = std::filesystem::status(path, missing);
  require(!std::filesystem::exists(status) || std::filesystem::is_regular_file(status),
          "{}: the log cannot be written: not a regular file", path.string());
  try {
    auto file = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path.string(), false);
    file->set_pattern("%Y-%m-%d %H:%M:%S.%e %l %v");
    logger()->sinks().push_back(file);
  } catch (const spdlog::spdlog_ex& error) {
    fail("{}: the log cannot be written: {}", path.string(), error.what());
  }
}

}  // namespace qcface
