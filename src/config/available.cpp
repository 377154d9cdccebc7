// check_available of config/settings.h: an honest sentence for what a later version will do.
#include <fmt/format.h>

#include <algorithm>

#include "config/settings.h"
#include "core/error.h"
#include "core/text.h"

namespace bitsweep::config {
namespace {

void check_word(const Key& key, const Value& value, const Place& place) {
  const auto* word = value.as<std::string>();
  if (word == nullptr || key.later_words.empty()) return;
  if (std::find(key.words.begin(), key.words.end(), *word) != key.words.end()) return;
  throw ConfigError(fmt::format("{}: {} = \"{}\" is not available in this version; available: {}",
                                place, key.name, *word, join(key.words, ", ")));
}

}  // namespace

void check_available(const Settings& settings) {
  static const std::vector<KeyIndex> restricted = [] {
    std::vector<KeyIndex> out;
    for (KeyIndex key = 0; key < schema().size(); ++key) {
      if (schema()[key].later || !schema()[key].later_words.empty()) out.push_back(key);
    }
    return out;
  }();
  for (const KeyIndex position : restricted) {
    if (!settings.is_explicit(position)) continue;
    const Key& key = schema()[position];
    if (key.later) {
      throw ConfigError(fmt::format("{}: {} = {} is not available in this version; leave it out",
                                    settings.place_of(key.name), key.name,
                                    format_value(settings.get(position))));
    }
    check_word(key, settings.get(position), settings.place_of(key.name));
  }
  for (const LayerRule& rule : settings.layers) {
    for (const auto& [name, value] : rule.overrides) {
      check_word(schema()[require_key("quant." + name, rule.place)], value, rule.place);
    }
  }
}

}  // namespace bitsweep::config
