// Progress of long work. On a terminal one line is redrawn in place: title, bar, share, rate, time left,
// notes. Elsewhere (a pipe, a log file) a plain line appears every tenth of the way, at most one every few
// seconds.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace qcface {

class Progress {
 public:
  /// total 0 means unknown: counts only. The bar goes to stderr, so that piped results stay clean.
  Progress(std::string title, std::size_t total, std::string unit = "");
  ~Progress();  // clears the bar
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Sets the absolute position; note is shown behind the numbers.
  void update(std::size_t done, const std::string& note = "");
  /// The same where the total is only known on the way.
  void update_of(std::size_t done, std::size_t total) {
    total_ = total;
    update(done);
  }
  /// Removes the bar so that other text can be printed; the next update draws it again.
  void clear();

  /// From here on no bar and no line is shown in this process.
  static void turn_off();
  static bool on_terminal();
  /// True if update() would print plain lines instead of a bar.
  static bool plain() { return !on_terminal(); }

 private:
  using Clock = std::chrono::steady_clock;
  void draw(const std::string& note, double seconds);

  std::string title_;
  std::string unit_;
  std::size_t total_;
  std::size_t done_ = 0;
  Clock::time_point start_;
  Clock::time_point last_draw_;
  std::size_t last_tenth_ = 0;
  bool drawn_ = false;
};

/// "1:02:03", "2:03" or "4.2 s".
std::string format_duration(double seconds);

}  // namespace qcface
