// What a person sees while a sweep runs, on standard error: one live line on a terminal, one line a
// finished trial elsewhere.
#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace bitsweep::run {

struct ProgressState {
  int total = 0;  // trials to run
  int ok = 0;
  int failed = 0;
  double fraction_running = 0;  // sum over running trials of their finished share
  // Of these shares and of finished trials, what an earlier run had done (checkpoints).
  double head_start = 0;
  std::vector<std::string> now;  // describe_progress() of one running trial
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

  // What update() draws, for a given width: bar, counts, rate, time left, and as many phrases of
  // `now` as there is room for.
  static std::string render(const ProgressState& state, double elapsed_s, int columns);

 private:
  using Clock = std::chrono::steady_clock;
  bool live_ = false;
  bool color_ = false;
  bool drawn_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_draw_{};
};

// Seconds that `left` trials take, when `worked` of them took `elapsed_s`; negative where unknown.
double estimate_remaining_s(double worked, double left, double elapsed_s);

// A worker's "progress" event (run/protocol.h) for people, the most telling first:
// {"evaluate 4,000/10,000 images"}, or of a training {"epoch 3/30", "loss 1.234", "top1 45.3 %",
// "612 images/s", "step 1,173/11,730"}.
std::vector<std::string> describe_progress(const nlohmann::json& event);
// The finished share of the trial.
double fraction_of(const nlohmann::json& event);
// As many of `phrases` as fit into `columns`, two spaces between them; the first one always.
std::string fit(const std::vector<std::string>& phrases, int columns);

// Columns of the terminal on standard error: $COLUMNS, else what the terminal says, else 80.
int terminal_columns();

}  // namespace bitsweep::run
