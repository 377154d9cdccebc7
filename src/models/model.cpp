#include "models/model.h"

#include <algorithm>

#include "core/error.h"
#include "core/text.h"

namespace bitsweep::models {
namespace {

// Checks that the network offers `key` and that `value` is one of its choices.
void check_option(const Model& model, std::string_view key, const std::string& value) {
  const auto option = std::ranges::find(model.options, key, &ModelOption::key);
  if (option == model.options.end()) {
    throw ConfigError(
        fmt::format("model.{} = '{}': network '{}' does not offer it", key, value, model.name));
  }
  if (std::ranges::find(option->choices, value) == option->choices.end()) {
    throw ConfigError(fmt::format("model.{} = '{}': expected one of {} for network '{}'", key,
                                  value, join(option->choices, ", "), model.name));
  }
}

}  // namespace

Initialization pytorch_initialization(const config::ModelConfig&) { return {}; }

graph::Graph build_model(const config::ModelConfig& config, std::int64_t num_classes) {
  const Model& model = models().get(config.name);
  if (!config.shortcut.empty()) check_option(model, "shortcut", config.shortcut);
  if (!config.post_add_relu) check_option(model, "post_add_relu", "false");
  return model.build(config, config.num_classes.value_or(num_classes));
}

Initialization initialization(const config::ModelConfig& config) {
  return models().get(config.name).initialization(config);
}

}  // namespace bitsweep::models
