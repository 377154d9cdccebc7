// What a person sees while a sweep runs, on standard error: one live line on a terminal, one line a
// finished trial elsewhere.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace bitsweep::run {

struct ProgressState {
  int total = 0;    // trials to run
  int ok = 0;
  int failed = 0;
  double fraction_running = 0;  // sum over running trials of their finished share
  std::string now;  // "W4A4 evaluate 4,000/10,000 images", of one running trial
};

class Progress {
 public:
  // Live where standard error is a terminal and TERM is not "dumb"; colour unless NO_COLOR.
  Progress();
  ~Progress();

  // Redraws the live line at most ten times a second; nothing elsewhere.
  void update(const ProgressState& state);
  // A line that stays: above the live line on a terminal.
  void line(std::string_view text);
  // "  ok  " or " failed ", coloured where allowed.
  std::string mark(bool ok) const;
  // Removes the live line.
  void clear();

  // What update() draws, for a given width: bar, counts, rate, time left.
  static std::string render(const ProgressState& state, double elapsed_s, int columns);

 private:
  using Clock = std::chrono::steady_clock;
  bool live_ = false;
  bool color_ = false;
  bool drawn_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_draw_{};
};

// Seconds that `remaining` trials take on, from the trials that finished, or negative where unknown.
double estimate_remaining_s(double done, double total, double elapsed_s);

// Columns of the terminal on standard error: $COLUMNS, else what the terminal says, else 80.
int terminal_columns();

}  // namespace bitsweep::run
