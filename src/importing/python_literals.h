// Lists of whole numbers in Python source, read without executing anything.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bitsweep::importing {

// `name = [ … ]`, or a list without a name (""). `name` is dotted as written ("C.layer_abit").
struct NumberList {
  std::string name;
  std::vector<std::int64_t> numbers;
  std::string place;  // "config.py:3:16"
};

// Every list of whole numbers in `text`, in order. A list may be repeated (`[8] * 9`) and joined
// (`[32] + [8] * 9`); comments and strings are skipped; any other code is passed over. Throws
// ConfigError with line and column for a list that is not closed or holds anything but whole
// numbers and None (which is 32), once one of these stands in it.
std::vector<NumberList> read_number_lists(std::string_view text, std::string_view file);

}  // namespace bitsweep::importing
