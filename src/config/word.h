// Words with a number in them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bitsweep::config {

// Whether `text` is one of the words. "std:P" stands for "std:" and a positive number (Key::words).
bool is_word(std::string_view text, const std::vector<std::string>& words);

}  // namespace bitsweep::config
