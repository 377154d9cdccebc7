// Weight files of other people for the networks of src/models: torchvision's names, Keras's,
// Caffe's, int8 codes with scales; strict in both directions.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <map>
#include <random>

#include "core/error.h"
#include "data/source.h"
#include "export/name_map.h"
#include "export/weights.h"
#include "graph/count.h"
#include "models/model.h"

using namespace bitsweep;
using namespace bitsweep::exporting;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;

namespace {

using Renames = std::map<std::string, std::string>;  // the network's name → the file's

config::ModelConfig model(std::string name, const Renames& options = {}) {
  config::ModelConfig out;
  out.name = std::move(name);
  for (const auto& [key, value] : options) models::set_option(out, key, value);
  return out;
}

graph::Graph network(const config::ModelConfig& config) {
  return models::build_model(config, 1000);
}

// Distinct values in every tensor.
graph::Parameters numbered(const graph::Graph& g) {
  graph::Parameters out(g);
  float next = 1;
  for (float& value : out.flat()) value = next++;
  return out;
}

// `parameters` as a file, with `scalars` (int64) beside them.
SafetensorsFile file_of(const graph::Parameters& parameters, const Renames& renames = {},
                        const std::vector<std::string>& scalars = {}) {
  static const std::int64_t kSteps = 7;
  std::vector<TensorData> tensors;
  for (const graph::TensorSpec& spec : parameters.specs()) {
    const auto it = renames.find(spec.name);
    tensors.push_back({it == renames.end() ? spec.name : it->second, DType::f32, spec.shape,
                       std::as_bytes(parameters.values(spec.name))});
  }
  for (const std::string& name : scalars) {
    tensors.push_back({name, DType::i64, {}, std::as_bytes(std::span(&kSteps, 1))});
  }
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() /
      ("bitsweep_networks_test_" + std::to_string(std::random_device{}()) + ".safetensors");
  write_safetensors(path, std::move(tensors));
  SafetensorsFile out = SafetensorsFile::read(path);
  std::filesystem::remove(path);
  return out;
}

bool equal(const graph::Parameters& a, const graph::Parameters& b) {
  return std::ranges::equal(a.flat(), b.flat());
}

const char* chosen_map(const std::vector<std::string>& names) {
  return choose_name_map(names).name().c_str();
}

}  // namespace

TEST_CASE("files by torchvision's names load, their counters of batches aside") {
  for (const auto& config :
       {model("mobilenet_v3_small"), model("mobilenet_v2", {{"width", "0.35"}})}) {
    CAPTURE(config.name);
    const auto g = network(config);
    const auto parameters = numbered(g);
    std::vector<std::string> counters;
    for (const graph::Node& node : g.nodes()) {
      if (node.as<graph::BatchNorm>()) counters.push_back(node.name + ".num_batches_tracked");
    }
    CHECK(counters.size() > 20);
    CHECK(equal(load_weights(file_of(parameters, {}, counters), g), parameters));
  }
}

TEST_CASE("the weights of another network are refused by what is missing and what is too much") {
  const auto v2 = network(model("mobilenet_v2", {{"width", "0.35"}}));
  const auto file = file_of(numbered(v2));
  CHECK_THROWS_MATCHES(
      load_weights(file, network(model("mobilenet_v3_small"))), DataError,
      MessageMatches(ContainsSubstring("lacks tensor 'features.1.block.0.0.weight' "
                                       "[16, 1, 3, 3] of network "
                                       "'mobilenet_v3_small'") &&
                     ContainsSubstring("and has tensor 'classifier.1.bias'")));
  // The same names, another width.
  CHECK_THROWS_MATCHES(load_weights(file, network(model("mobilenet_v2", {{"width", "0.5"}}))),
                       DataError,
                       MessageMatches(ContainsSubstring("network 'mobilenet_v2' needs [")));
  // Weights with folded batch norms, where model.batch_norm = false was forgotten, and vice versa.
  const auto folded = network(model("mobilenet_v2", {{"width", "0.35"}, {"batch_norm", "false"}}));
  CHECK_THROWS_MATCHES(load_weights(file_of(numbered(folded)), v2), DataError,
                       MessageMatches(ContainsSubstring("lacks tensor 'features.0.1.weight'") &&
                                      ContainsSubstring("'features.0.0.bias'")));
  CHECK_THROWS_MATCHES(load_weights(file, folded), DataError,
                       MessageMatches(ContainsSubstring("lacks tensor 'features.0.0.bias'")));
}

TEST_CASE("Caffe's SqueezeNet 1.1 has torchvision's layers under other names") {
  const auto g = network(model("squeezenet1_1"));
  // Fire modules in both numberings.
  const std::map<int, int> fires = {{3, 2}, {4, 3},  {6, 4},  {7, 5},
                                    {9, 6}, {10, 7}, {11, 8}, {12, 9}};
  Renames renames;
  for (const std::string kind : {".weight", ".bias"}) {
    renames["features.0" + kind] = "conv1" + kind;
    renames["classifier.1" + kind] = "conv10" + kind;
    for (const auto& [index, fire] : fires) {
      const std::string from = "features." + std::to_string(index) + ".";
      const std::string to = "fire" + std::to_string(fire) + "/";
      renames[from + "squeeze" + kind] = to + "squeeze1x1" + kind;
      renames[from + "expand1x1" + kind] = to + "expand1x1" + kind;
      renames[from + "expand3x3" + kind] = to + "expand3x3" + kind;
    }
  }
  const auto parameters = numbered(g);
  CHECK(renames.size() == parameters.specs().size());
  CHECK(equal(load_weights(file_of(parameters, renames), g), parameters));
}

TEST_CASE("torchvision's Inception-V3 comes with an auxiliary classifier, which is left out") {
  const std::vector<std::string> names = {
      "Conv2d_1a_3x3.conv.weight",           "Conv2d_1a_3x3.bn.num_batches_tracked",
      "AuxLogits.conv0.conv.weight",         "AuxLogits.fc.bias",
      "Mixed_7c.branch_pool.bn.running_var", "fc.weight"};
  REQUIRE(std::string(chosen_map(names)) == "inception_torchvision");
  const NameMap& map = choose_name_map(names);
  CHECK(map.translate("Mixed_7c.branch_pool.bn.running_var")->name ==
        "Mixed_7c.branch_pool.bn.running_var");
  CHECK(map.translate("fc.weight")->name == "fc.weight");
  for (const char* ignored : {"AuxLogits.conv0.conv.weight", "AuxLogits.fc.bias",
                              "Conv2d_1a_3x3.bn.num_batches_tracked"}) {
    CHECK(map.translate(ignored)->ignored);
  }
  // Nobody else's file is taken for it.
  CHECK(std::string(chosen_map({"conv1.weight", "fc.weight"})) == "plain");
}

TEST_CASE("the pretrained weights at hand load into their networks") {
  struct Case {
    std::string file;
    config::ModelConfig config;
    std::int64_t classes;
  };
  const Case cases[] = {
      {"resnet8_mlperf_tiny", model("resnet8"), 10},
      {"mobilenet_v1_0.75_224", model("mobilenet_v1", {{"width", "0.75"}}), 1000},
      {"squeezenet1.1", model("squeezenet1_1"), 1000},
      {"mobilenet_v2_tf2_w8pc",
       model("mobilenet_v2", {{"padding", "same"}, {"batch_norm", "false"}}), 1000},
      {"mobilenet_v3_small_keras_w8pc",
       model("mobilenet_v3_small", {{"padding", "same"}, {"batch_norm", "false"}}), 1000},
  };
  int found = 0;
  for (const Case& c : cases) {
    CAPTURE(c.file);
    for (const std::filesystem::path& root : data::search_path("")) {
      for (const char* folder : {"", "weights_cifar10", "weights_imagenet"}) {
        const std::filesystem::path path = root / folder / (c.file + ".safetensors");
        if (!std::filesystem::exists(path)) continue;
        const auto parameters = load_weights(path, models::build_model(c.config, c.classes));
        CHECK(std::ranges::any_of(parameters.flat(), [](float v) { return v != 0; }));
        ++found;
      }
    }
  }
  if (found == 0) SKIP("no pretrained weights on this machine");
}
