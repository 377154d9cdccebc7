#include "config/toml_limits.h"

#include <fmt/format.h>

#include "core/error.h"

namespace bitsweep::config {
namespace {

// Bytes of the UTF-8 character at `at`; 0 where there is none (RFC 3629: shortest form, no
// surrogates, at most U+10FFFF).
std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u;
  };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (first == 0xE0 && byte(1) < 0xA0) return 0;
    if (first == 0xED && byte(1) > 0x9F) return 0;
    return follows(1) && follows(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (first == 0xF0 && byte(1) < 0x90) return 0;
    if (first == 0xF4 && byte(1) > 0x8F) return 0;
    return follows(1) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

// One pass over the text that knows strings and comments, and nothing else of TOML.
class Scanner {
 public:
  Scanner(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  void run() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"' || c == '\'') {
        skip_string(c);
      } else if (c == '#') {
        while (at_ < text_.size() && text_[at_] != '\n') advance();
      } else {
        count(c);
        advance();
      }
    }
  }

 private:
  void count(char c) {
    if (c == '[' || c == '{') ++brackets_;
    if ((c == ']' || c == '}') && brackets_ > 0) --brackets_;
    if (c == '.') ++dots_;
    if (c == ',' || c == '=' || c == '\n' || c == '[' || c == '{') dots_ = 0;
    if (brackets_ > kMaxNesting || dots_ > kMaxNesting) {
      fail(fmt::format("nested deeper than {} levels", kMaxNesting));
    }
  }

  // At an opening quote. A string that never closes is left to the parser to report.
  void skip_string(char quote) {
    const std::string triple(3, quote);
    const bool is_long = text_.substr(at_).starts_with(triple);
    for (std::size_t i = is_long ? 3 : 1; i > 0; --i) advance();
    while (at_ < text_.size()) {
      if (quote == '"' && text_[at_] == '\\') {
        advance();
      } else if (is_long && text_.substr(at_).starts_with(triple)) {
        for (int i = 0; i < 3; ++i) advance();
        while (at_ < text_.size() && text_[at_] == quote) advance();  // up to two more belong to it
        return;
      } else if (!is_long && (text_[at_] == quote || text_[at_] == '\n')) {
        break;
      }
      advance();
    }
    if (at_ < text_.size() && text_[at_] == quote) advance();
  }

  void advance() {
    if (at_ >= text_.size()) return;
    if (text_[at_] == '\0') fail("a NUL byte; expected UTF-8 text");
    const std::size_t length = utf8_length(text_, at_);
    if (length == 0) fail("a byte that is not UTF-8");
    if (text_[at_] == '\n') {
      ++line_;
      column_ = 1;
    } else {
      ++column_;
    }
    at_ += length;
  }

  [[noreturn]] void fail(std::string_view message) const {
    throw ConfigError(fmt::format("{}:{}:{}: {}", file_, line_, column_, message));
  }

  std::string_view text_;
  const std::string& file_;
  std::size_t at_ = 0;
  int line_ = 1;
  int column_ = 1;
  int brackets_ = 0;
  int dots_ = 0;
};

}  // namespace

void check_toml_limits(std::string_view text, const std::string& file) {
  Scanner(text, file).run();
}

}  // namespace bitsweep::config
