#include "importing/python_literals.h"

#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <optional>

#include "core/error.h"

namespace bitsweep::importing {
namespace {

constexpr std::size_t kMostNumbers = 100'000;
constexpr std::int64_t kNone = 32;

bool is_name(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.';
}

class Reader {
 public:
  Reader(std::string_view text, std::string_view file) : text_(text), file_(file) {}

  std::vector<NumberList> run() {
    std::vector<NumberList> out;
    std::string name;  // before an "=" or ":"
    bool is_assigned = false;
    while (skip_blank(true), at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '[') {
        const std::string place = place_here();
        if (auto numbers = expression()) {
          out.push_back({is_assigned ? name : "", std::move(*numbers), place});
        }
        is_assigned = false;
      } else if (c == '"' || c == '\'') {
        name = string();
        is_assigned = false;
      } else if (is_name(c)) {
        name = word();
        is_assigned = false;
      } else {
        is_assigned = (c == '=' || c == ':') && !name.empty();
        advance();
      }
    }
    return out;
  }

 private:
  std::string place_here() const { return fmt::format("{}:{}:{}", file_, line_, column_); }

  void advance() {
    if (text_[at_] == '\n') {
      ++line_;
      column_ = 1;
    } else {
      ++column_;
    }
    ++at_;
  }

  bool done() const { return at_ >= text_.size(); }

  // White space and comments; line ends too where `lines`.
  void skip_blank(bool lines) {
    while (!done()) {
      if (text_[at_] == '#') {
        while (!done() && text_[at_] != '\n') advance();
      } else if (text_[at_] == '\\' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') {
        advance();
        advance();
      } else if (std::isspace(static_cast<unsigned char>(text_[at_])) != 0 &&
                 (lines || text_[at_] != '\n')) {
        advance();
      } else {
        return;
      }
    }
  }

  std::string word() {
    std::string out;
    while (!done() && is_name(text_[at_])) {
      out += text_[at_];
      advance();
    }
    return out;
  }

  // The content of a string, "'" and '"""' forms alike.
  std::string string() {
    const std::string place = place_here();
    const char quote = text_[at_];
    const std::string triple(3, quote);
    const std::string end = text_.substr(at_, 3) == triple ? triple : std::string(1, quote);
    for (std::size_t i = 0; i < end.size(); ++i) advance();
    std::string out;
    while (!done() && text_.substr(at_, end.size()) != end) {
      if (text_[at_] == '\\') advance();
      if (done()) break;
      out += text_[at_];
      advance();
    }
    if (done()) throw ConfigError(fmt::format("{}: this string is never closed", place));
    for (std::size_t i = 0; i < end.size(); ++i) advance();
    return out;
  }

  std::optional<std::int64_t> number() {
    const std::string text = word();
    if (text == "None") return kNone;
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) {
      return std::nullopt;
    }
    return value;
  }

  // [ number, number, … ] with its brackets. Nothing where its first element is no number: a list
  // of something else, which is passed over.
  std::optional<std::vector<std::int64_t>> list() {
    const std::string opened = place_here();
    advance();
    std::vector<std::int64_t> out;
    while (true) {
      skip_blank(true);
      if (done()) throw ConfigError(fmt::format("{}: this list is never closed", opened));
      if (text_[at_] == ']') {
        advance();
        return out;
      }
      const std::string place = place_here();
      const std::size_t start = at_;
      const auto value = number();
      if (!value) {
        if (out.empty()) return std::nullopt;
        throw ConfigError(fmt::format("{}: expected a whole number, found '{}'", place,
                                      text_.substr(start, std::max<std::size_t>(1, at_ - start))));
      }
      out.push_back(*value);
      skip_blank(true);
      if (!done() && text_[at_] == ',') {
        advance();
      } else if (!done() && text_[at_] != ']') {
        throw ConfigError(
            fmt::format("{}: expected ',' or ']', found '{}'", place_here(), text_[at_]));
      }
    }
  }

  // A list, its repetitions and what is joined to it.
  std::optional<std::vector<std::int64_t>> expression() {
    last_ = 0;
    std::optional<std::vector<std::int64_t>> out = list();
    while (out) {
      skip_blank(false);
      if (done() || (text_[at_] != '*' && text_[at_] != '+')) return out;
      const std::string place = place_here();
      const char sign = text_[at_];
      advance();
      skip_blank(false);
      if (sign == '*') {
        const auto times = number();
        if (!times || *times < 0 || out->size() * static_cast<std::size_t>(*times) > kMostNumbers) {
          throw ConfigError(fmt::format("{}: a list is repeated by a whole number", place));
        }
        std::vector<std::int64_t> repeated;
        // The last list alone is repeated: * binds closer than +.
        const std::vector<std::int64_t> last(out->begin() + static_cast<std::ptrdiff_t>(last_),
                                             out->end());
        out->resize(last_);
        for (std::int64_t i = 0; i < *times; ++i) {
          out->insert(out->end(), last.begin(), last.end());
        }
      } else {
        if (done() || text_[at_] != '[') {
          throw ConfigError(fmt::format("{}: only a list can be added to a list", place));
        }
        const auto more = list();
        if (!more) throw ConfigError(fmt::format("{}: expected a list of whole numbers", place));
        last_ = out->size();
        out->insert(out->end(), more->begin(), more->end());
      }
    }
    return out;
  }

  std::string_view text_;
  std::string_view file_;
  std::size_t at_ = 0;
  int line_ = 1;
  int column_ = 1;
  std::size_t last_ = 0;  // where the last list of a sum begins
};

}  // namespace

std::vector<NumberList> read_number_lists(std::string_view text, std::string_view file) {
  return Reader(text, file).run();
}

}  // namespace bitsweep::importing
