#include "importing/words.h"

#include <fmt/format.h>

#include <cctype>

#include "core/error.h"

namespace bitsweep::importing {

std::vector<std::string> split_words(std::string_view text, std::string_view place) {
  std::vector<std::string> out;
  std::string word;
  bool in_word = false;
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\' && quote != '\'' && i + 1 < text.size()) {
      ++i;
      if (text[i] == '\n') continue;
      word += text[i];
      in_word = true;
    } else if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else {
        word += c;
      }
    } else if (c == '"' || c == '\'') {
      quote = c;
      in_word = true;
    } else if (std::isspace(static_cast<unsigned char>(c)) != 0) {
      if (in_word) out.push_back(std::move(word));
      word.clear();
      in_word = false;
    } else {
      word += c;
      in_word = true;
    }
  }
  if (quote != 0) {
    throw ConfigError(fmt::format("{}: a {} is never closed", place, quote));
  }
  if (in_word) out.push_back(std::move(word));
  return out;
}

}  // namespace bitsweep::importing
