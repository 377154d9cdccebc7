#include "run/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

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

double estimate_remaining_s(double worked, double left, double elapsed_s) {
  if (worked <= 0 || elapsed_s <= 0) return -1;
  return elapsed_s * std::max(0.0, left) / worked;
}

std::vector<std::string> describe_progress(const nlohmann::json& event) {
  const std::string amount =
      fmt::format("{}/{}", format_count(event.value("done", std::int64_t{0})),
                  format_count(event.value("total", std::int64_t{0})));
  const std::string phase = event.value("phase", "running");
  const std::string in_phase = fmt::format("{} {} {}", phase, amount, event.value("unit", ""));
  if (!event.contains("epoch")) return {in_phase};
  const bool evaluates = phase != "train";
  std::vector<std::string> out;
  out.push_back(fmt::format("epoch {}/{}", event["epoch"].get<int>(), event.value("epochs", 0)));
  if (evaluates) out.push_back(in_phase);
  if (event.contains("loss"))
    out.push_back(fmt::format("loss {:.3f}", event["loss"].get<double>()));
  if (event.contains("top1")) {
    out.push_back(fmt::format("top1 {:.1f} %", 100 * event["top1"].get<double>()));
  }
  if (event.contains("images_per_second")) {
    const auto rate = static_cast<std::int64_t>(event["images_per_second"].get<double>());
    out.push_back(fmt::format("{} images/s", format_count(rate)));
  }
  if (!evaluates) out.push_back("step " + amount);
  return out;
}

double fraction_of(const nlohmann::json& event) {
  const double total = event.value("total", 0.0);
  const double share = total > 0 ? event.value("done", 0.0) / total : 0.0;
  return std::clamp(event.value("fraction", share), 0.0, 1.0);
}

std::string fit(const std::vector<std::string>& phrases, int columns) {
  std::string out;
  for (const std::string& phrase : phrases) {
    if (out.empty()) {
      out = phrase;
    } else if (static_cast<int>(out.size() + 2 + phrase.size()) <= columns) {
      out += "  " + phrase;
    } else {
      break;
    }
  }
  return out;
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
  const int bar = columns >= 100 ? 20 : 10;
  const int filled = static_cast<int>(share * bar);
  std::string text = fmt::format("[{}{}] {}/{}", std::string(filled, '#'),
                                 std::string(bar - filled, '.'), finished, state.total);
  if (state.failed > 0) text += fmt::format("  {} failed", state.failed);
  const double worked = done - state.head_start;
  const double left = estimate_remaining_s(worked, state.total - done, elapsed_s);
  if (left >= 0 && finished < state.total) {
    const double per_minute = 60 * worked / elapsed_s;
    if (per_minute >= 1) text += fmt::format("  {:.1f}/min", per_minute);
    text += fmt::format("  ETA {}", format_duration(left));
  }
  if (!state.now.empty()) {
    text += "  " + fit(state.now, columns - 3 - static_cast<int>(text.size()));
  }
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
