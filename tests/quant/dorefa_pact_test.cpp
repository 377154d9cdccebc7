#include <fmt/format.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <map>

#include "config/recipe.h"
#include "core/error.h"
#include "graph/layers.h"
#include "models/model.h"
#include "quant/scheme.h"

using namespace bitsweep;
using namespace bitsweep::quant;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;

namespace {

constexpr int kFull = config::kUnquantizedBits;
using Widths = std::map<std::string, int>;  // node → bits, kFull for a place left as it is

struct Planned {
  config::TrialConfig trial;
  PlannedNetwork network;

  explicit Planned(const std::string& toml) : trial(read(toml)), network(plan(trial)) {}

  static config::TrialConfig read(const std::string& toml) {
    config::Settings settings;
    config::read_trial_tables(config::parse_toml("kind = \"train\"\ndata.name = \"cifar10\"\n"
                                                 "quant.scheme = \"dorefa_pact\"\n" +
                                                     toml,
                                                 "x.toml")
                                  .root,
                              settings);
    return config::to_trial(settings);
  }
  static PlannedNetwork plan(const config::TrialConfig& trial) {
    return plan_network(models::build_model(trial.model, 10), trial.quant);
  }

  const graph::Graph& graph() const { return network.folding.graph; }
  const QuantizerSite* find(Place place, std::string_view node) const {
    return network.sites.find(place, graph().find(node));
  }
  Widths weights() const {
    Widths out;
    for (const graph::NodeId layer : graph::layers(graph())) {
      const QuantizerSite* site = network.sites.find(Place::weight, layer);
      out[graph().node(layer).name] = site ? site->bits : kFull;
    }
    return out;
  }
  Widths outputs() const {
    Widths out;
    for (const QuantizerSite& site : network.sites.sites) {
      if (site.place == Place::output) out[graph().node(site.node).name] = site.bits;
    }
    for (const graph::NodeId node : network.sites.unquantized_outputs) {
      out[graph().node(node).name] = kFull;
    }
    return out;
  }
  graph::TotalCount total() const {
    return graph::count(graph(), bit_table(graph(), network.sites)).total;
  }
};

Planned toynet(const std::string& more) { return Planned("model.name = \"toynet\"\n" + more); }

const std::string kResnetB = R"(
model = { name = "resnet20", shortcut = "B", post_add_relu = false }
)";

// What facts A.1 say of ToyNet, from its two lists of 13.
Widths toynet_outputs(const std::vector<int>& a) {
  Widths out = {{"input", a[0]}, {"stem.bn", a[1]}, {"header.bn", a[12]}, {"avgpool", a[12]}};
  for (int block = 1; block <= 10; ++block) {
    const std::string cell = "cells." + std::to_string(block - 1);
    const auto i = static_cast<std::size_t>(block);
    out[cell + ".bn1"] = out[cell + ".relu"] = a[i];
    if (block == 2 || block == 8) out[cell + ".downsample"] = a[i];
    out[cell + ".add"] = a[i + 1];
  }
  return out;
}

Widths toynet_weights(const std::vector<int>& w) {
  Widths out = {{"stem.conv", w[0]}, {"header.conv", w[11]}, {"fc", w[12]}};
  for (int block = 1; block <= 10; ++block) {
    const std::string cell = "cells." + std::to_string(block - 1);
    const int bits = w[static_cast<std::size_t>(block)];
    for (const char* conv : {".conv1", ".conv2", ".conv3"}) out[cell + conv] = bits;
    if (block == 2 || block == 8) out[cell + ".downsample"] = bits;
  }
  return out;
}

std::string list(const std::vector<int>& widths) {
  std::string out = "[";
  for (const int width : widths) out += std::to_string(width) + ", ";
  return out + "]";
}

const std::vector<int> kA1 = {32, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 32, 32};
const std::vector<int> kW1 = {32, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 16, 16};

}  // namespace

TEST_CASE("each entry of ToyNet's lists addresses what facts A.1 say") {
  // Every entry another width, so that no two can be confused.
  const std::vector<int> a = {2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
  const std::vector<int> w = {14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2};
  const Planned planned =
      toynet("quant.weight.bits = " + list(w) + "\nquant.activation.bits = " + list(a) + "\n");
  CHECK(planned.outputs() == toynet_outputs(a));
  CHECK(planned.weights() == toynet_weights(w));
}

TEST_CASE("the presets are the lists of facts A.7 with the storage of facts A.5") {
  struct Case {
    const char* preset;
    std::vector<int> a, w;
    std::int64_t bytes;
  };
  const std::vector<int> w2 = {32, 8, 6, 6, 6, 6, 6, 6, 8, 8, 8, 16, 16};
  const Case cases[] = {
      {"cfg-1", kA1, kW1, 240848},
      {"cfg-2", kA1, w2, 227616},
      {"cfg-3",
       {32, 8, 6, 6, 6, 6, 6, 6, 6, 6, 6, 32, 32},
       {32, 8, 6, 6, 6, 6, 6, 6, 6, 6, 6, 16, 16},
       200560},
      {"cfg-1*",
       {32, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 16},
       {8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8},
       201664},
  };
  for (const Case& c : cases) {
    CAPTURE(c.preset);
    const Planned planned = toynet(std::string("quant.preset = \"") + c.preset + "\"\n");
    CHECK(planned.outputs() == toynet_outputs(c.a));
    CHECK(planned.weights() == toynet_weights(c.w));
    CHECK(planned.total().weight_bytes == c.bytes);
    CHECK(planned.total().scale_bytes == 0);  // the grid is the same for every tensor
  }
  const Planned none = toynet("quant.weight.bits = \"none\"\nquant.activation.bits = \"none\"\n");
  CHECK(none.network.sites.sites.empty());
  CHECK(none.total().bytes() == 806656);
}

TEST_CASE("document 002's earlier lists come with their placement") {
  const Planned first = toynet("quant.preset = \"cfg-3-2022-04-12\"\n");
  const Widths outputs = first.outputs();
  CHECK(outputs.at("input") == 16);
  CHECK(outputs.at("cells.1.norm") == 16);
  CHECK(outputs.at("cells.9.add") == 16);
  CHECK_FALSE(outputs.contains("cells.0.relu"));
  CHECK(first.find(Place::output, "cells.0.add")->quantizer == "dorefa_clamp");
  CHECK(first.find(Place::output, "cells.0.add")->clamp_factor == 1.0 / 16);
  const Planned later = toynet("quant.preset = \"cfg-2-2022-04-15\"\n");
  CHECK(later.weights() == toynet_weights({32, 8, 8, 8, 8, 8, 8, 8, 6, 6, 6, 16, 16}));
  CHECK(later.find(Place::output, "cells.0.relu")->quantizer == "pact_fixed");
}

TEST_CASE("a single width stands for the 8 of cfg-1, and cfg-1 is the default") {
  CHECK(toynet("").outputs() == toynet_outputs(kA1));
  CHECK(toynet("").weights() == toynet_weights(kW1));
  const Planned four = toynet("quant.weight.bits = 4\nquant.activation.bits = 5\n");
  CHECK(four.outputs() == toynet_outputs({32, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 32, 32}));
  CHECK(four.weights() == toynet_weights({32, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 16, 16}));
}

TEST_CASE("quantizers are mPACT from 10 in blocks and 6 outside, weights tanh_symmetric") {
  const Planned planned = toynet("quant.preset = \"cfg-1*\"\n");
  for (const QuantizerSite& site : planned.network.sites.sites) {
    const std::string& name = planned.graph().node(site.node).name;
    CAPTURE(name);
    CHECK(site.granularity == config::Granularity::tensor);
    if (site.place == Place::weight) {
      CHECK(site.quantizer == "tanh_symmetric");
      continue;
    }
    CHECK(site.quantizer == "mpact");
    CHECK(site.alpha_init == (name.starts_with("cells.") ? 10 : 6));
  }
  const Planned own = toynet(
      "quant.activation = { quantizer = \"pact\", alpha_init = 3 }\n"
      "quant.weight.quantizer = \"dorefa\"\n");
  CHECK(own.find(Place::output, "stem.bn")->alpha_init == 3);
  CHECK(own.find(Place::output, "stem.bn")->quantizer == "pact");
  CHECK(own.find(Place::weight, "cells.0.conv1")->quantizer == "dorefa");
  CHECK(toynet("quant.activation = { quantizer = \"pact_fixed\", clip = 4 }\n")
            .find(Place::output, "stem.bn")
            ->clip == 4);
}

TEST_CASE("35 quantizers learn in ToyNet where every place is quantized, as the document counts") {
  // Facts A.4.2: one α each for stem, header, pool and ten blocks' 32.
  const Planned planned =
      toynet("quant.activation.bits = " + list({32, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8}) + "\n");
  std::size_t learned = 0;
  for (const QuantizerSite& site : planned.network.sites.sites) {
    if (site.place == Place::output) ++learned;
  }
  CHECK(learned == 35);
}

TEST_CASE("each switch of quant.sites takes its places away or adds them, and no others") {
  const Widths all = toynet("quant.preset = \"cfg-1*\"\n").outputs();
  const auto without = [&](const char* site, const auto& is_gone) {
    Widths expected = all;
    std::erase_if(expected, [&](const auto& item) { return is_gone(item.first); });
    CAPTURE(site);
    CHECK(toynet(std::string("quant.preset = \"cfg-1*\"\nquant.sites.") + site + " = false\n")
              .outputs() == expected);
    CHECK(expected.size() < all.size());
  };
  without("input", [](std::string_view name) { return name == "input"; });
  without("pool_output", [](std::string_view name) { return name == "avgpool"; });
  without("after_add", [](std::string_view name) { return name.ends_with(".add"); });
  without("inside", [](std::string_view name) {
    return name.starts_with("cells.") && !name.ends_with(".add");
  });
  Widths more = all;
  more["cells.1.norm"] = more["cells.7.norm"] = 16;
  CHECK(toynet("quant.preset = \"cfg-1*\"\nquant.sites.batch_norm_output = true\n").outputs() ==
        more);
}

TEST_CASE("ResNet20 with shortcut B has the quantizers q1, q2 and q3 of facts A.3") {
  const std::vector<int> a = {2, 3, 4, 5, 6, 7, 8, 9, 10};
  const std::vector<int> w = {10, 9, 8, 7, 6, 5, 4, 3, 2};
  const std::string lists =
      "quant.weight.bits = " + list(w) + "\nquant.activation.bits = " + list(a) + "\n";
  Widths outputs = {{"relu1", kFull}, {"features.final_pool", kFull}};
  Widths weights = {{"stem", kFull}, {"output", 16}};
  for (int block = 0; block < 9; ++block) {
    const std::string unit =
        "features.stage" + std::to_string(block / 3 + 1) + ".unit" + std::to_string(block % 3 + 1);
    const auto i = static_cast<std::size_t>(block);
    outputs[unit + ".relu1"] = outputs[unit + ".add"] = a[i];
    weights[unit + ".conv1"] = weights[unit + ".conv2"] = w[i];
    if (block == 3 || block == 6) {
      outputs[unit + ".bn3"] = a[i];
      weights[unit + ".identity_conv"] = w[i];
    }
  }
  const Planned document(kResnetB + lists);
  CHECK(document.outputs() == outputs);
  CHECK(document.weights() == weights);

  // With the ReLU that the document's network lacks, q2 stands behind it.
  Widths behind_relu;
  for (const auto& [name, bits] : outputs) {
    const bool is_sum = name.ends_with(".add");
    behind_relu[is_sum ? name.substr(0, name.size() - 3) + "relu2" : name] = bits;
  }
  CHECK(Planned("model = { name = \"resnet20\", shortcut = \"B\" }\n" + lists).outputs() ==
        behind_relu);

  Widths no_branch = outputs;
  std::erase_if(no_branch, [](const auto& item) { return item.first.ends_with(".bn3"); });
  CHECK(Planned(kResnetB + lists + "quant.sites.branch_output = false\n").outputs() == no_branch);
}

TEST_CASE(
    "ResNet20's cfg-1* has 8 bits in every block, its cfg-2* 6-bit weights in the last stage") {
  const Widths star = Planned(kResnetB + "quant.preset = \"cfg-1*\"\n").weights();
  for (const auto& [name, bits] : star) {
    CAPTURE(name);
    CHECK(bits == (name == "stem" ? kFull : name == "output" ? 16 : 8));
  }
  const Widths rear = Planned(kResnetB + "quant.preset = \"cfg-2*\"\n").weights();
  CHECK(rear.at("features.stage2.unit3.conv2") == 8);
  CHECK(rear.at("features.stage3.unit1.identity_conv") == 6);
}

TEST_CASE(
    "MobileNetV2's cfg-2* has 6-bit weights in its last four blocks, and 8 elsewhere as cfg-1*") {
  const auto preset = [](const std::string& name) {
    return Planned("model.name = \"mobilenetv2_cifar\"\nquant.preset = \"" + name + "\"\n");
  };
  const Widths star = preset("cfg-1*").weights(), rear = preset("cfg-2*").weights();
  for (const auto& [name, bits] : star) {
    CAPTURE(name);
    const bool is_rear = name.starts_with("layers.13.") || name.starts_with("layers.14.") ||
                         name.starts_with("layers.15.") || name.starts_with("layers.16.");
    CHECK(rear.at(name) == (is_rear ? 6 : bits));
  }
  CHECK(preset("cfg-1*").outputs() == preset("cfg-2*").outputs());
}

TEST_CASE("MobileNetV2's lists of 20 address the quantizers of facts A.2") {
  std::vector<int> a, w;
  for (int i = 0; i < 20; ++i) {
    a.push_back(2 + i % 11);
    w.push_back(2 + (i + 5) % 13);
  }
  const auto at = [](const std::vector<int>& list, int i) {
    return list[static_cast<std::size_t>(i)];
  };
  // a[0]: the source never quantizes its input.
  Widths outputs = {{"relu1", a[1]}, {"avg_pool", a[19]}};
  Widths weights = {{"stem", w[0]}, {"head", w[18]}, {"linear", w[19]}};
  for (int block = 1; block <= 17; ++block) {
    const std::string name = "layers." + std::to_string(block - 1) + ".";
    const bool halves = block == 4 || block == 7 || block == 14;
    outputs[name + "relu1"] = outputs[name + "relu2"] = at(a, block);
    outputs[name + (halves ? "bn3" : "add")] = at(a, block + 1);
    for (const char* conv : {"conv1", "conv2", "conv3"}) weights[name + conv] = at(w, block);
    if (halves) continue;
    outputs[name + "shortcut.1"] = at(a, block + 1);
    weights[name + "shortcut.0"] = at(w, block);
  }
  const Planned planned("model.name = \"mobilenetv2_cifar\"\nquant.weight.bits = " + list(w) +
                        "\nquant.activation.bits = " + list(a) + "\n");
  CHECK(planned.outputs() == outputs);
  CHECK(planned.weights() == weights);

  // Facts A.4.2: 66 of them learn, all from 10; the pooled output has the plain clamp.
  std::size_t learned = 0;
  for (const QuantizerSite& site : planned.network.sites.sites) {
    if (site.place != Place::output || site.quantizer != "mpact") continue;
    CHECK(site.alpha_init == 10);
    ++learned;
  }
  CHECK(learned == 66);
  CHECK(planned.find(Place::output, "avg_pool")->quantizer == "dorefa_clamp");
  CHECK(planned.find(Place::output, "avg_pool")->clamp_factor == 0.1);
}

TEST_CASE("MobileNetV2's cfg-1* is the list that its document committed") {
  const Planned star("model.name = \"mobilenetv2_cifar\"\nquant.preset = \"cfg-1*\"\n");
  const Widths weights = star.weights();
  for (const auto& [name, bits] : weights) {
    CAPTURE(name);
    CHECK(bits == (name == "stem" ? kFull : name == "head" || name == "linear" ? 16 : 8));
  }
  const Widths outputs = star.outputs();
  for (const auto& [name, bits] : outputs) {
    CAPTURE(name);
    const bool full =
        name == "layers.16.add" || name == "layers.16.shortcut.1" || name == "avg_pool";
    CHECK(bits == (full ? kFull : 8));
  }
}

TEST_CASE("deeper networks and shortcut A have an entry for each block, too") {
  const Planned deep("model.name = \"resnet56\"\nquant.weight.bits = [" + [] {
    std::string out;
    for (int i = 0; i < 27; ++i) out += i == 26 ? "3" : "4, ";
    return out;
  }() + "]\n");
  CHECK(deep.weights().at("layer3.8.conv2") == 3);
  CHECK(deep.weights().at("layer3.7.conv2") == 4);
  CHECK(deep.outputs().at("layer3.8.relu2") == 8);
}

TEST_CASE("a list of another length is refused with what its entries address") {
  const auto refuses = [](const std::string& toml, const std::string& expected) {
    CAPTURE(toml);
    CHECK_THROWS_MATCHES(Planned(toml), ConfigError, MessageMatches(ContainsSubstring(expected)));
  };
  refuses(
      "model.name = \"toynet\"\nquant.weight.bits = [8, 8]\n",
      "quant.weight.bits has 2 entries; network 'toynet' expects 13: 0 stem; 1 block 1; 2 block "
      "2; 3 block 3;");
  refuses("model.name = \"toynet\"\nquant.activation.bits = [8]\n",
          "0 input; 1 stem output, inside block 1; 2 output of block 1, inside block 2;");
  refuses(kResnetB + "quant.weight.bits = [8, 8]\n", "network 'resnet20' expects 9: 0 block 1;");
}

TEST_CASE("a width that leaves a signed grid with its zero alone is refused") {
  const auto refuses = [](const std::string& toml, const std::string& expected) {
    CHECK_THROWS_MATCHES(toynet(toml), ConfigError, MessageMatches(ContainsSubstring(expected)));
  };
  refuses("quant.activation.bits = 1\n",
          "quant.activation.bits = 1 for 'stem.bn': mpact has 2^(bits");
  refuses("quant.activation = { bits = 1, quantizer = \"lsq\" }\n",
          "quant.activation.bits = 1 for 'stem.bn': lsq has 2^(bits");
  refuses("[[layer]]\nmatch = \"header.conv\"\nactivation.bits = 1\n",
          "x.toml:6:9: activation.bits = 1 for 'header.bn'");
  for (const char* quantizer : {"dorefa", "tanh_symmetric"}) {  // one bit of weights is defined
    CHECK(toynet(fmt::format("quant.weight = {{ bits = 1, quantizer = \"{}\" }}\n", quantizer))
              .weights()
              .at("cells.0.conv1") == 1);
  }
  CHECK(toynet("quant.activation = { bits = 1, quantizer = \"pact\" }\n").outputs().at("stem.bn") ==
        1);
}

TEST_CASE(
    "lsq is unsigned behind a ReLU, signed elsewhere, and finds its steps in the first batch") {
  const Planned planned = toynet("quant.activation = { bits = 4, quantizer = \"lsq\" }\n");
  const auto site = [&](const char* name) -> const QuantizerSite& {
    return *planned.find(Place::output, name);
  };
  CHECK(site("cells.0.relu").half_range);
  CHECK_FALSE(site("cells.0.bn1").half_range);
  CHECK_FALSE(site("cells.0.add").half_range);
  CHECK_FALSE(site("stem.bn").half_range);
  CHECK(site("cells.0.relu").quantizer == "lsq");
  CHECK(site("cells.0.relu").alpha_init == 0);
  const Planned given =
      toynet("quant.activation = { bits = 4, quantizer = \"lsq\", alpha_init = 0.25 }\n");
  CHECK(given.find(Place::output, "stem.bn")->alpha_init == 0.25);
}

TEST_CASE("gradients are quantized at the layers whose weights are") {
  const auto gradients = [](const Planned& planned) {
    Widths out;
    for (const QuantizerSite& site : planned.network.sites.sites) {
      if (site.place == Place::gradient) out[planned.graph().node(site.node).name] = site.bits;
    }
    return out;
  };
  CHECK(gradients(toynet("")).empty());
  const auto six = gradients(toynet("quant.gradient.bits = 6\n"));
  CHECK(six.at("fc") == 6);
  CHECK(six.count("stem.conv") == 0);  // cfg-1 leaves it in full precision
  CHECK(six.size() == toynet("").weights().size() - 1);
  const auto all = gradients(toynet("quant.gradient.bits = 6\nquant.weight.bits = \"none\"\n"));
  CHECK(all.count("stem.conv") == 1);
  CHECK(all.size() == six.size() + 1);
}

TEST_CASE("the input may have the document's unsigned clamp of its own") {
  const Planned planned = toynet(R"(
quant.activation.bits = [8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8]
quant.sites.input_quantizer = "dorefa_clamp"
)");
  const auto quantizer = [&](const char* name) {
    return planned.find(Place::output, name)->quantizer;
  };
  CHECK(quantizer("input") == "dorefa_clamp");
  CHECK(quantizer("avgpool") == "mpact");
  CHECK(quantizer("stem.bn") == "mpact");
}

TEST_CASE("layer rules win over lists and address the places up to the next layer") {
  const Planned planned = toynet(R"(
quant.preset = "cfg-1"
[[layer]]
match = "header[.]conv"
weight.bits = 5
activation.bits = 6
[[layer]]
match = "cells[.]9[.]conv3"
activation.bits = 7
[[layer]]
match = "cells[.]0[.].*"
weight.bits = "none"
[[layer]]
match = "fc"
weight.quantizer = "dorefa"
)");
  CHECK(planned.weights().at("header.conv") == 5);
  CHECK(planned.outputs().at("header.bn") == 6);
  CHECK(planned.outputs().at("avgpool") == 6);
  CHECK(planned.outputs().at("cells.9.add") == 7);
  CHECK(planned.outputs().at("cells.9.relu") == 8);
  CHECK(planned.weights().at("cells.0.conv2") == kFull);
  CHECK(planned.find(Place::weight, "fc")->quantizer == "dorefa");
  CHECK(planned.find(Place::weight, "fc")->bits == 16);

  CHECK_THROWS_MATCHES(
      toynet("[[layer]]\nmatch = \"fc\"\nweight.granularity = \"channel\"\n"), ConfigError,
      MessageMatches(ContainsSubstring("unknown layer rule key 'weight.granularity'")));
  CHECK_THROWS_MATCHES(toynet("[[layer]]\nmatch = \"fd\"\nweight.bits = 8\n"), ConfigError,
                       MessageMatches(ContainsSubstring("x.toml:6:9: layer pattern 'fd' matches")));
}

TEST_CASE("batch norms are never folded") {
  CHECK(toynet("").graph().find("stem.bn") >= 0);
  CHECK(toynet("quant.fold_batch_norm = true\n").graph().find("stem.bn") >= 0);
}

TEST_CASE("a network that states no lists has an entry for each layer") {
  graph::Graph g("plain");
  auto x = g.add_input("input", {3, 8, 8});
  x = g.add("conv1", graph::Convolution{.in_channels = 3, .out_channels = 4}, {x});
  x = g.add("bn1", graph::BatchNorm{.features = 4}, {x});
  const auto identity = g.add("relu1", graph::Activation{}, {x});
  x = g.add("conv2", graph::Convolution{.in_channels = 4, .out_channels = 4}, {identity});
  x = g.add("add", graph::Add{}, {x, identity});
  x = g.add("relu2", graph::Activation{}, {x});
  x = g.add("pool", graph::GlobalAveragePool{}, {x});
  g.add("fc", graph::Linear{.in_features = 4, .out_features = 2}, {x});

  config::QuantConfig quant;
  quant.scheme = "dorefa_pact";
  quant.weight.quantizer = "tanh_symmetric";
  quant.activation.quantizer = "mpact";
  quant.weight.bits_per_layer = {2, 3, 4};
  quant.activation.bits_per_layer = {5, 6, 7};
  const PlannedNetwork planned = plan_network(g, quant);
  const auto bits = [&](Place place, std::string_view node) {
    const QuantizerSite* site = planned.sites.find(place, planned.folding.graph.find(node));
    return site ? site->bits : kFull;
  };
  CHECK(bits(Place::weight, "conv1") == 2);
  CHECK(bits(Place::weight, "conv2") == 3);
  CHECK(bits(Place::weight, "fc") == 4);
  CHECK(bits(Place::output, "relu1") == 5);
  CHECK(bits(Place::output, "add") == kFull);  // left to the ReLU behind it
  CHECK(bits(Place::output, "relu2") == 6);
  CHECK(bits(Place::output, "pool") == 6);
  CHECK(bits(Place::output, "fc") == kFull);
  CHECK(planned.sites.find(Place::output, planned.folding.graph.find("relu2"))->alpha_init == 10);
  CHECK(planned.sites.find(Place::output, planned.folding.graph.find("pool"))->alpha_init == 6);

  quant.weight.bits_per_layer = {2, 3};
  CHECK_THROWS_MATCHES(plan_network(g, quant), ConfigError,
                       MessageMatches(ContainsSubstring("expects 3: 0 conv1; 1 conv2; 2 fc")));
}

TEST_CASE("a scheme is for training, or for what comes after it, and says so") {
  config::QuantConfig quant;
  quant.scheme = "dorefa_pact";
  CHECK_NOTHROW(check_kind(config::TrialKind::train, quant));
  CHECK_THROWS_MATCHES(check_kind(config::TrialKind::ptq, quant), ConfigError,
                       MessageMatches(ContainsSubstring("kind = \"ptq\": scheme 'dorefa_pact'")));
  quant.scheme = "aciq";
  CHECK_NOTHROW(check_kind(config::TrialKind::ptq, quant));
  CHECK_THROWS_MATCHES(check_kind(config::TrialKind::train, quant), ConfigError,
                       MessageMatches(ContainsSubstring("quantizes after training")));
  quant.scheme = "none";
  CHECK_NOTHROW(check_kind(config::TrialKind::train, quant));
  CHECK_NOTHROW(check_kind(config::TrialKind::ptq, quant));
}
