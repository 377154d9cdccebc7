#include "run/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "core/text.h"

namespace bitsweep::run {

int terminal_columns() {
  if (const char* text = std::getenv("COLUMNS")) {
    const int columns = std::atoi(text);
    if (columns > 0) return columns;
  }
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

double estimate_remaining_s(double done, double total, double elapsed_s) {
  if (done <= 0 || elapsed_s <= 0) return -1;
  return elapsed_s * std::max(0.0, total - done) / done;
}

Progress::Progress() {
  const char* term = std::getenv("TERM");
  const char* no_color = std::getenv("NO_COLOR");
  live_ = ::isatty(STDERR_FILENO) == 1 && !(term != nullptr && std::string_view(term) == "dumb");
  color_ = live_ && (no_color == nullptr || *no_color == '\0');
}

Progress::~Progress() { clear(); }

std::string Progress::render(const ProgressState& state, double elapsed_s, int columns) {
  const int finished = state.ok + state.failed;
  const double done = finished + state.fraction_running;
  const double share = state.total > 0 ? std::clamp(done / state.total, 0.0, 1.0) : 1.0;
  constexpr int kBar = 20;
  const int filled = static_cast<int>(share * kBar);
  std::string text = fmt::format("[{}{}] {}/{}", std::string(filled, '#'),
                                 std::string(kBar - filled, '.'), finished, state.total);
  if (state.failed > 0) text += fmt::format("  {} failed", state.failed);
  const double left = estimate_remaining_s(done, state.total, elapsed_s);
  if (left >= 0 && finished < state.total) {
    text += fmt::format("  {:.1f}/min  ETA {}", 60 * done / elapsed_s, format_duration(left));
  }
  if (!state.now.empty()) text += "  " + state.now;
  if (static_cast<int>(text.size()) > columns - 1) text.resize(std::max(0, columns - 1));
  return text;
}

void Progress::update(const ProgressState& state) {
  if (!live_) return;
  const auto now = Clock::now();
  if (drawn_ && now - last_draw_ < std::chrono::milliseconds(100)) return;
  last_draw_ = now;
  const double elapsed_s = std::chrono::duration<double>(now - start_).count();
  fmt::print(stderr, "\r\x1b[2K{}", render(state, elapsed_s, terminal_columns()));
  std::fflush(stderr);
  drawn_ = true;
}

void Progress::line(std::string_view text) {
  clear();
  fmt::print(stderr, "{}\n", text);
  std::fflush(stderr);
}

std::string Progress::mark(bool ok) const {
  const char* word = ok ? "ok    " : "failed";
  if (!color_) return word;
  return fmt::format("\x1b[{}m{}\x1b[0m", ok ? 32 : 31, word);
}

void Progress::clear() {
  if (!drawn_) return;
  fmt::print(stderr, "\r\x1b[2K");
  std::fflush(stderr);
  drawn_ = false;
}

}  // namespace bitsweep::run
