// Command lines as a shell splits them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bitsweep::importing {

// Words of `text`: white space separates, quotation marks of both kinds group, a backslash takes
// the next character as it is (also a line end). Nothing is expanded. Throws ConfigError with
// `place` for quotation marks that never close.
std::vector<std::string> split_words(std::string_view text, std::string_view place);

}  // namespace bitsweep::importing
