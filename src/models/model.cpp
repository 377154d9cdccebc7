#include "models/model.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "core/error.h"
#include "core/text.h"
#include "models/onnx_network.h"

namespace bitsweep::models {
namespace {

using config::ModelConfig;

[[noreturn]] void refuse_value(std::string_view key, const std::string& value,
                               std::string_view expected) {
  throw ConfigError(fmt::format("model.{} = '{}': expected {}", key, value, expected));
}

bool to_flag(std::string_view key, const std::string& value) {
  if (value != "true" && value != "false") refuse_value(key, value, "true or false");
  return value == "true";
}

double to_real(std::string_view key, const std::string& value) {
  double out = 0;
  const char* end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, out);
  if (error != std::errc() || stop != end) refuse_value(key, value, "a number");
  return out;
}

// An option as text, between its member of ModelConfig and the choices of networks.
struct Option {
  std::string_view key;
  std::string (*get)(const ModelConfig&);  // "": the network's own
  void (*set)(ModelConfig&, const std::string&);
};

constexpr std::array kOptions{
    Option{"shortcut", [](const ModelConfig& c) { return c.shortcut; },
           [](ModelConfig& c, const std::string& value) { c.shortcut = value; }},
    Option{"post_add_relu",
           [](const ModelConfig& c) { return std::string(c.post_add_relu ? "" : "false"); },
           [](ModelConfig& c, const std::string& value) {
             c.post_add_relu = to_flag("post_add_relu", value);
           }},
    Option{"width",
           [](const ModelConfig& c) { return c.width == 1 ? "" : fmt::format("{}", c.width); },
           [](ModelConfig& c, const std::string& value) { c.width = to_real("width", value); }},
    Option{"padding", [](const ModelConfig& c) { return c.padding; },
           [](ModelConfig& c, const std::string& value) { c.padding = value; }},
    Option{"batch_norm",
           [](const ModelConfig& c) { return std::string(c.batch_norm ? "" : "false"); },
           [](ModelConfig& c, const std::string& value) {
             c.batch_norm = to_flag("batch_norm", value);
           }},
};

// Checks that the network offers `key` and that `value` is one of its choices.
void check_option(const Model& model, std::string_view key, const std::string& value) {
  const auto option = std::ranges::find(model.options, key, &ModelOption::key);
  if (option == model.options.end()) {
    throw ConfigError(
        fmt::format("model.{} = '{}': network '{}' does not offer it", key, value, model.name));
  }
  if (std::ranges::find(option->choices, value) == option->choices.end()) {
    refuse_value(
        key, value,
        fmt::format("one of {} for network '{}'", join(option->choices, ", "), model.name));
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

std::int64_t usual_classes(const Model& model) { return model.input.height > 32 ? 1000 : 10; }

Initialization pytorch_initialization(const config::ModelConfig&) { return {}; }

graph::Shape input_shape(const config::ModelConfig& config) {
  if (!config.file.empty()) return read_onnx(config.file).graph.node(0).output;
  const Model& model = models().get(config.name);
  graph::Shape out = model.input;
  if (!config.image_size) return out;
  out.height = out.width = *config.image_size;
  if (!model.resizable && out != model.input) {
    throw ConfigError(fmt::format("data.image_size = {}: network '{}' reads images of {}×{} alone",
                                  *config.image_size, model.name, model.input.height,
                                  model.input.width));
  }
  return out;
}

void set_option(config::ModelConfig& config, std::string_view key, const std::string& value) {
  const auto option = std::ranges::find(kOptions, key, &Option::key);
  if (option == kOptions.end()) {
    std::vector<std::string> known;
    for (const Option& each : kOptions) known.emplace_back(each.key);
    throw ConfigError(unknown_name_message("option of a network", key, known));
  }
  option->set(config, value);
}

graph::Graph build_model(const config::ModelConfig& config, std::int64_t num_classes) {
  if (!config.file.empty()) {
    return build_from_file(config, config.num_classes.value_or(num_classes));
  }
  const Model& model = models().get(config.name);
  static_cast<void>(input_shape(config));  // refuses an image size that the network does not read
  for (const Option& option : kOptions) {
    const std::string value = option.get(config);
    if (!value.empty()) check_option(model, option.key, value);
  }
  return model.build(config, config.num_classes.value_or(num_classes));
}

Initialization initialization(const config::ModelConfig& config) {
  return models().get(config.name).initialization(config);
}

}  // namespace bitsweep::models
