#include "harness/console/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace qcface {
namespace {

constexpr double kRedrawSeconds = 0.1;
constexpr double kPlainLineSeconds = 2.0;
std::atomic<bool> turned_off = false;

std::size_t terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

}  // namespace

std::string format_duration(double seconds) {
  if (!(seconds >= 0) || seconds > 1e8) return "?";
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const long whole = std::lround(seconds);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

void Progress::turn_off() { turned_off = true; }

bool Progress::on_terminal() {
  static const bool terminal = [] {
    const char* type = std::getenv("TERM");
    return ::isatty(STDERR_FILENO) == 1 && !(type && std::string(type) == "dumb");
  }();
  return terminal;
}

Progress::Progress(std::string title, std::size_t total, std::string unit)
    : title_(std::move(title)),
      unit_(std::move(unit)),
      total_(total),
      start_(Clock::now()),
      last_draw_(start_) {}

Progress::~Progress() { clear(); }

void Progress::clear() {
  if (!drawn_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

void Progress::update(std::size_t done, const std::string& note) {
  done_ = done;
  if (turned_off) return;
  const auto now = Clock::now();
  const double since = std::chrono::duration<double>(now - last_draw_).count();
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const bool last = total_ > 0 && done >= total_;
  if (on_terminal()) {
    if (drawn_ && since < kRedrawSeconds && !last) return;
    last_draw_ = now;
    draw(note, seconds);
    return;
  }
  const std::size_t tenth = total_ > 0 ? done * 10 / total_ : 0;
  if (tenth == last_tenth_ || (since < kPlainLineSeconds && !last)) return;
  last_tenth_ = tenth;
  last_draw_ = now;
  // fmt::print would throw where nobody reads standard error any more.
  const std::string line =
      fmt::format("{} {}/{} {} {}% {}\n", title_, done_, total_, unit_, done * 100 / total_, note);
  std::fputs(line.c_str(), stderr);
  std::fflush(stderr);
}

void Progress::draw(const std::string& note, double seconds) {
  const double rate = seconds > 0 ? static_cast<double>(done_) / seconds : 0;
  std::string line = title_ + " ";
  if (total_ > 0) {
    constexpr std::size_t kBar = 24;
    const std::size_t filled = std::min(kBar, done_ * kBar / total_);
    const double left = rate > 0 ? static_cast<double>(total_ - std::min(done_, total_)) / rate : -1;
    line += fmt::format("[{}{}] {}/{} {:.1f}/s left {}", std::string(filled, '='),
                        std::string(kBar - filled, ' '), done_, total_, rate, format_duration(left));
  } else {
    line += fmt::format("{} {} {:.1f}/s", done_, unit_, rate);
  }
  if (!note.empty()) line += "  " + note;
  line.resize(std::min(line.size(), terminal_width() - 1));
  std::fputs(("\r\x1b[K" + line).c_str(), stderr);
  std::fflush(stderr);
  drawn_ = true;
}

}  // namespace qcface
