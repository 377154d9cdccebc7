// A trial's identity: the SHA-256 of the canonical form of its configuration.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"

namespace bitsweep::config {

struct Identity {
  std::string canonical;                 // JSON text
  std::string key;                       // 64 hexadecimal digits
  std::vector<std::string> unused_keys;  // set, but without effect here (a lint); sorted
};

// Key → SHA-256 of what it stands for: "model.weights" of the file's content (for `stage:` and
// `trial:` that trial's key), "data.name" of the decoded records.
using Digests = std::map<std::string, std::string, std::less<>>;

// The canonical form is a JSON object with sorted keys that holds what has an effect and differs
// from its default: where to look and how long to wait are left out, presets are what they resolve
// to, a path is {"sha256": …}, a data set [name, SHA-256], layer rules stand in their order. A path
// without a digest (the file is not there yet) is {"needs": path}.
Identity identify(const Settings& settings, const Digests& digests);

}  // namespace bitsweep::config
