// The networks that bitsweep knows by name: a file src/models/<word>.cpp that defines
// register_<word>() and the word in src/models/meson.build.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/trial.h"
#include "core/registry.h"
#include "graph/graph.h"
#include "models/initialization.h"

namespace bitsweep::models {

// A key of the table `model` that some networks offer ("shortcut"), with all values that they take;
// the first one is the default.
struct ModelOption {
  std::string key;
  std::vector<std::string> choices;
  std::string summary;
};

struct Model {
  std::string name;
  std::string summary;     // one line
  std::string source;      // paper or document
  graph::Shape input;      // of one image, unless data.image_size says otherwise
  bool resizable = false;  // false: reads images of that size alone
  std::vector<ModelOption> options = {};
  // Use build_model(): it checks the options first.
  graph::Graph (*build)(const config::ModelConfig& config, std::int64_t num_classes) = nullptr;
  // How its source begins; it may depend on the options.
  Initialization (*initialization)(const config::ModelConfig& config) = nullptr;
};

const Registry<Model>& models();

// The classes of the data sets that the network is for: 10 (CIFAR-10) or 1000 (ImageNet).
std::int64_t usual_classes(const Model& model);

// Model::initialization of a network whose source leaves everything as PyTorch makes it.
Initialization pytorch_initialization(const config::ModelConfig& config);

// Sets an option by its key, without "model.", from text ("0.75"). Throws ConfigError for a key
// that no network offers and for text that is no such value; build_model() checks the choices.
void set_option(config::ModelConfig& config, std::string_view key, const std::string& value);

// The images that the network of `config`, named or in a file, reads: its own size or
// data.image_size. Throws as build_model().
graph::Shape input_shape(const config::ModelConfig& config);

// The network that `config` names, with `num_classes` outputs; config.num_classes wins where set.
// Throws ConfigError for an unknown name, an option that the network does not offer or a value that
// is none of its choices. Where config.file is set: the network in it (models/onnx_network.h), and
// ConfigError where it has another number of outputs.
graph::Graph build_model(const config::ModelConfig& config, std::int64_t num_classes);

// How the values of the network that `config` names begin. Throws ConfigError for an unknown name.
Initialization initialization(const config::ModelConfig& config);

}  // namespace bitsweep::models
