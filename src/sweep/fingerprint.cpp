#include "sweep/fingerprint.h"

#include <fmt/format.h>

#include <iterator>

namespace bitsweep::sweep {

std::vector<config::KeyIndex> keys_where(const std::function<bool(std::string_view name)>& wanted) {
  std::vector<config::KeyIndex> out;
  for (config::KeyIndex key = 0; key < config::schema().size(); ++key) {
    if (wanted(config::schema()[key].name)) out.push_back(key);
  }
  return out;
}

std::string fingerprint(const config::Settings& settings,
                        const std::vector<config::KeyIndex>& keys) {
  std::string out;
  out.reserve(256);
  for (const config::KeyIndex key : keys) {
    if (!settings.is_explicit(key)) continue;
    fmt::format_to(std::back_inserter(out), "{}=", key);
    config::append_json(out, settings.get(key));
    out += ' ';
  }
  for (const config::LayerRule& rule : settings.layers) {
    config::append_json_string(out, rule.match);
    for (const auto& [key, value] : rule.overrides) {
      out += key;
      out += '=';
      config::append_json(out, value);
      out += ' ';
    }
  }
  return out;
}

}  // namespace bitsweep::sweep
