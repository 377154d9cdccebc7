#include "models/model.h"

#include <algorithm>

#include "core/error.h"
#include "core/text.h"
#include "models/onnx_network.h"

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

graph::Graph build_from_file(const config::ModelConfig& config, std::int64_t num_classes) {
  graph::Graph out = read_onnx(config.file).graph;
  if (out.num_classes() != num_classes) {
    throw ConfigError(fmt::format("model.file {}: has {} outputs, expected {}, one a class",
                                  config.file, out.num_classes(), num_classes));
  }
  return out;
}

}  // namespace

graph::Shape input_shape(const config::ModelConfig& config) {
  if (!config.file.empty()) return read_onnx(config.file).graph.node(0).output;
  return models().get(config.name).input;
}

Initialization pytorch_initialization(const config::ModelConfig&) { return {}; }

graph::Graph build_model(const config::ModelConfig& config, std::int64_t num_classes) {
  if (!config.file.empty()) {
    return build_from_file(config, config.num_classes.value_or(num_classes));
  }
  const Model& model = models().get(config.name);
  if (!config.shortcut.empty()) check_option(model, "shortcut", config.shortcut);
  if (!config.post_add_relu) check_option(model, "post_add_relu", "false");
  return model.build(config, config.num_classes.value_or(num_classes));
}

Initialization initialization(const config::ModelConfig& config) {
  return models().get(config.name).initialization(config);
}

}  // namespace bitsweep::models
