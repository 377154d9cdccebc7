// Integer networks for tests: architectures of the registry and small ones, with drawn values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "graph/parameters.h"
#include "integer/build.h"
#include "quant/sites.h"

namespace bitsweep::integer::testing {

struct Example {
  graph::Graph graph;
  quant::SitePlan sites;
  graph::Parameters parameters;
  Alphas alphas;

  Network build(const Settings& settings = {}) const {
    return integer::build(graph, sites, parameters, alphas, settings);
  }
};

// `model` of the registry ("toynet"; "resnet20" with shortcut "B") under scheme dorefa_pact with
// these quantizers and widths, one for all; every layer and output is quantized.
Example example(const std::string& model, const std::string& activation, int bits,
                std::uint32_t seed = 1);

// A network of a few small layers: kernel, stride, padding, groups and widths drawn from `seed`.
Example small_example(std::uint32_t seed);

// [elements] of a normalised image.
std::vector<float> drawn_image(const graph::Shape& shape, std::uint32_t seed);

// The fixed parts of a step that tests look at; throws where there is none of this name.
const Layer& layer_of(const Network& network, const std::string& name);

}  // namespace bitsweep::integer::testing
