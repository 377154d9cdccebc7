#include "cli/help.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

namespace bitsweep::cli {
namespace {

constexpr std::size_t kColumns = 80;
constexpr std::size_t kNames = 28;  // columns of option names, before their descriptions

// Breaks at spaces, so that no line is longer than `width`; a longer word stays whole.
std::string wrap(const std::string& text, std::size_t width) {
  std::string out;
  std::size_t line = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::size_t length = end - at;
    if (line > 0 && line + 1 + length > width) {
      out += '\n';
      line = 0;
    } else if (line > 0) {
      out += ' ';
      ++line;
    }
    out.append(text, at, length);
    line += length;
    at = end + 1;
  }
  return out;
}

class WrappedFormatter : public CLI::Formatter {
 public:
  WrappedFormatter() { column_width(kNames); }

  std::string make_option_desc(const CLI::Option* option) const override {
    return wrap(Formatter::make_option_desc(option), kColumns - kNames);
  }
};

}  // namespace

void wrap_help(CLI::App& app) { app.formatter(std::make_shared<WrappedFormatter>()); }

}  // namespace bitsweep::cli
