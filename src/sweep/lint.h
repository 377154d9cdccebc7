// A thing that a plan allows but that its author should know of.
#pragma once

#include <string>

namespace bitsweep::sweep {

struct Lint {
  std::string rule;     // "exclude_never_matches", "unused_key", …: stable, for scripts
  std::string message;  // one sentence, with the place where it has one
  friend bool operator==(const Lint&, const Lint&) = default;
};

}  // namespace bitsweep::sweep
