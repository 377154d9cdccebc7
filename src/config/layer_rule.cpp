// layer_rule of config/settings.h: [[layer]] rules, checked one by one.
#include <fmt/format.h>

#include <algorithm>
#include <regex>

#include "config/settings.h"
#include "core/error.h"

namespace bitsweep::config {
namespace {

constexpr std::size_t kMaxPattern = 1000;  // characters: std::regex recurses once for each

void check_pattern(const std::string& match, const Place& place) {
  if (match.empty() || match.size() > kMaxPattern) {
    throw ConfigError(
        fmt::format("{}: match has {} characters; expected a regular expression of 1 "
                    "to {} characters",
                    place, match.size(), kMaxPattern));
  }
  try {
    const std::regex pattern(match);
  } catch (const std::regex_error& error) {
    throw ConfigError(fmt::format("{}: match = {} is no valid regular expression: {}", place,
                                  format_value(match), error.what()));
  }
}

}  // namespace

LayerRule layer_rule(std::string match, std::vector<Assignment> overrides, const Place& place) {
  check_pattern(match, place);
  if (overrides.empty()) {
    throw ConfigError(
        fmt::format("{}: the layer rule for {} sets nothing", place, format_value(match)));
  }
  LayerRule rule{.match = std::move(match), .overrides = {}, .place = place};
  for (Assignment& override_ : overrides) {
    const std::string& name = schema()[override_.key].name;
    if (!name.starts_with("quant.weight.") && !name.starts_with("quant.activation.")) {
      throw ConfigError(
          fmt::format("{}: a layer rule cannot set '{}'; it takes the keys of quant.weight and "
                      "quant.activation, as in weight.bits = 8",
                      *override_.place, name));
    }
    if (override_.value.as<List>()) {
      throw ConfigError(fmt::format("{}: {} = {} in a layer rule; expected one value",
                                    *override_.place, name, format_value(override_.value)));
    }
    rule.overrides.emplace_back(name.substr(std::string_view("quant.").size()),
                                std::move(override_.value));
  }
  std::sort(rule.overrides.begin(), rule.overrides.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return rule;
}

}  // namespace bitsweep::config
