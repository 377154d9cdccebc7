// Every family of registered things, for `list` and `describe`.
#pragma once

#include <string>
#include <vector>

namespace bitsweep::cli {

struct Entry {
  std::string name;
  std::string summary;
};

struct Family {
  std::string name;  // "models": what `bitsweep list` takes
  std::string summary;
  std::string key;  // the configuration key that takes these names, "" none
  std::vector<Entry> entries;
};

// In the order that a newcomer wants them.
std::vector<Family> families();

}  // namespace bitsweep::cli
