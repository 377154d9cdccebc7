#include "config/presets.h"

#include <algorithm>

#include "core/check.h"
#include "core/error.h"
#include "core/text.h"

namespace bitsweep::config {
namespace {

// Facts 004, B.1.1–B.1.5 (the simulator of 2019): the CUDA path, per tensor and unclipped, rounds
// half away from zero; Inception's second convolution is an exception, too (since July 2019); dynamic per-tensor ranges are means over samples; the first layer's output
// is an 8-bit exception that only the statistics mode knew.
Preset submission2019() {
  return {
      .name = "submission2019",
      .scheme = "aciq",
      .source = "document 004, B.1",
      .rules =
          {
              {"quant.weight.granularity", "tensor", ""},
              {"quant.activation.granularity", "tensor", ""},
              {"quant.weight.ties", "by_path", ""},
              {"quant.activation.ties", "by_path", ""},
              {"quant.weight.allocation_max_bits", 4, ""},
              {"quant.activation.allocation_max_bits", 4, ""},
              {"quant.weight.zero_bits", "lower_end", ""},
              {"quant.activation.zero_bits", "lower_end", ""},
              {"quant.activation.range", "sample_mean",
               "quant.calibration.statistics == \"dynamic\""},
              {"quant.activation.clipping_constants", "two_decimals", ""},
              {"quant.sites.first_weight_bits", 8, ""},
              {"quant.sites.first_layers", 2, "model.name == \"inception_v3\""},
              {"quant.sites.last_weight_bits", 8, ""},
              {"quant.sites.first_activation_bits", 8,
               "quant.activation.bits == 4 and quant.calibration.statistics == \"calibrated\""},
              {"quant.sites.logits_bits", 8, ""},
              {"quant.sites.max_pool_bits", 8, ""},
          },
  };
}

BoundPreset bind(const Preset& preset) {
  BoundPreset out{.scheme = preset.scheme, .of_key = {}};
  out.of_key.resize(schema().size());
  const std::string place = "the preset " + preset.name;
  for (const PresetRule& rule : preset.rules) {
    const KeyIndex key = require_key(rule.key, place);
    BoundRule bound{
        .value = checked_value(schema()[key], rule.value, place), .when = {}, .when_names = {}};
    if (!rule.when.empty()) {
      bound.when = Expression::parse(rule.when, place, key_names());
      for (const std::string& name : bound.when->names()) {
        bound.when_names.push_back(*find_key(name));
      }
    }
    out.of_key[key].push_back(std::move(bound));
  }
  // A condition that asks for a key with conditions of its own could ask in a circle.
  for (const auto& rules : out.of_key) {
    for (const BoundRule& rule : rules) {
      for (const KeyIndex name : rule.when_names) {
        for (const BoundRule& other : out.of_key[name]) {
          BITSWEEP_CHECK(!other.when, "{}: a condition depends on {}, which is conditional", place,
                         schema()[name].name);
        }
      }
    }
  }
  return out;
}

}  // namespace

const std::vector<Preset>& presets() {
  static const std::vector<Preset> all = [] {
    std::vector<Preset> out = {submission2019()};
    for (Preset& preset : dorefa_pact_presets()) out.push_back(std::move(preset));
    return out;
  }();
  return all;
}

std::vector<std::string> preset_names() {
  std::vector<std::string> out;
  for (const Preset& preset : presets()) out.push_back(preset.name);
  return out;
}

const Preset& preset_named(std::string_view name) {
  const auto it = std::ranges::find(presets(), name, &Preset::name);
  if (it != presets().end()) return *it;
  throw ConfigError(unknown_name_message("preset", name, preset_names()));
}

const BoundPreset& bound_preset(std::string_view name) {
  static const std::vector<BoundPreset> bound = [] {
    std::vector<BoundPreset> out;
    for (const Preset& preset : presets()) out.push_back(bind(preset));
    return out;
  }();
  return bound[static_cast<std::size_t>(&preset_named(name) - presets().data())];
}

}  // namespace bitsweep::config
