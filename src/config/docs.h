// docs/config.md, generated from the table of keys.
#pragma once

#include <string>

namespace bitsweep::config {

// The whole page as markdown, ending with a line break.
std::string config_page();

}  // namespace bitsweep::config
