// check_available of config/settings.h: an honest sentence for what a later version will do.
#include <fmt/format.h>

#include "config/settings.h"
#include "config/word.h"
#include "core/error.h"
#include "core/text.h"

namespace bitsweep::config {
namespace {

void check_word(const Key& key, const Value& value, const std::string& scheme, const Place& place) {
  const auto* word = value.as<std::string>();
  if (word == nullptr) return;
  const SchemeWords* under = words_under(key, scheme);
  if (under == nullptr && key.later_words.empty()) return;
  const std::vector<std::string>& words = under ? under->words : key.words;
  if (is_word(*word, words)) return;
  const std::string said = fmt::format("{}: {} = \"{}\"", place, key.name, *word);
  if (under && !is_word(*word, under->later_words)) {
    throw ConfigError(fmt::format("{} is none of scheme '{}'; expected one of {}", said, scheme,
                                  join(words, ", ")));
  }
  throw ConfigError(
      fmt::format("{} is not available in this version; available: {}", said, join(words, ", ")));
}

}  // namespace

void check_available(const Settings& settings) {
  static const std::vector<KeyIndex> restricted = [] {
    std::vector<KeyIndex> out;
    for (KeyIndex key = 0; key < schema().size(); ++key) {
      const Key& known = schema()[key];
      if (known.later || !known.later_words.empty() || !known.by_scheme.empty()) out.push_back(key);
    }
    return out;
  }();
  const std::string& scheme = *settings.get("quant.scheme").as<std::string>();
  for (const KeyIndex position : restricted) {
    if (!settings.is_explicit(position)) continue;
    const Key& key = schema()[position];
    if (key.later) {
      throw ConfigError(fmt::format("{}: {} = {} is not available in this version; leave it out",
                                    settings.place_of(key.name), key.name,
                                    format_value(settings.get(position))));
    }
    check_word(key, settings.get(position), scheme, settings.place_of(key.name));
  }
  for (const LayerRule& rule : settings.layers) {
    for (const auto& [name, value] : rule.overrides) {
      check_word(schema()[require_key("quant." + name, rule.place)], value, scheme, rule.place);
    }
  }
}

}  // namespace bitsweep::config
