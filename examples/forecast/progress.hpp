// SPDX-License-Identifier: MIT
/// \file
/// One line that tells how far training has come, and a polite answer to Ctrl-C.
#pragma once

#include "../common/clock.hpp"
#include "table.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <string>

#include <unistd.h>

namespace forecast {

/// Turns the first Ctrl-C into a request to stop; a second one ends the program at once.
class Interrupt {
 public:
  Interrupt() : previous_(std::signal(SIGINT, &on_signal)) { requested_ = 0; }
  ~Interrupt() { std::signal(SIGINT, previous_); }
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  bool requested() const noexcept { return requested_ != 0; }

 private:
  static void on_signal(int) {
    requested_ = 1;
    std::signal(SIGINT, SIG_DFL);
  }
  inline static volatile std::sig_atomic_t requested_ = 0;
  void (*previous_)(int);
};

using examples::Clock;

/// How training stands.
struct Standing {
  int epoch = 0, epochs = 0;
  double done = 0;        ///< part of all epochs, 0 to 1
  double train = 0;       ///< mean loss of the epoch so far
  double validation = 0;  ///< after the last whole epoch
  double best = 0;        ///< best validation so far
  double rows_per_second = 0;
};

/// Redraws its line at most five times a second on a terminal; elsewhere prints one line an epoch.
class Progress {
 public:
  explicit Progress(std::FILE* out = stdout, bool quiet = false)
      : out_(out), quiet_(quiet), terminal_(::isatty(::fileno(out)) != 0) {}

  void show(const Standing& s, bool epoch_ends) {
    const double now = clock_.seconds();
    if (quiet_ || (terminal_ ? now - drawn_ < 0.2 && !epoch_ends : !epoch_ends)) return;
    drawn_ = now;
    std::string line = "  epoch " + std::to_string(s.epoch) + "/" + std::to_string(s.epochs);
    if (terminal_) {
      const auto filled = std::size_t(std::clamp(s.done, 0.0, 1.0) * 20);
      line += " [" + std::string(filled, '#') + std::string(20 - filled, '.') + "]";
    }
    line += "  train " + fixed(s.train, 4);
    if (s.best > 0) line += "  validation " + fixed(s.validation, 4) + "  best " + fixed(s.best, 4);
    char speed[32];
    std::snprintf(speed, sizeof speed, "  %.0f k rows/s", s.rows_per_second / 1000);
    line += speed;
    if (s.done > 0.01) {
      const int left = int(now * (1 - s.done) / s.done + 0.5);
      char time[32];
      std::snprintf(time, sizeof time, "  left %02d:%02d", left / 60, left % 60);
      line += time;
    }
    std::fprintf(out_, terminal_ ? "\r\033[K%s" : "%s\n", line.c_str());
    std::fflush(out_);
  }

  /// Ends the line.
  void done() {
    if (terminal_ && !quiet_) std::fprintf(out_, "\n");
  }

 private:
  std::FILE* out_;
  bool quiet_, terminal_;
  Clock clock_;
  double drawn_ = -1;
};

}  // namespace forecast
