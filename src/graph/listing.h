// A network as text and JSON: what `describe MODEL` and `plan --layers` print.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "graph/count.h"
#include "graph/graph.h"

namespace bitsweep::graph {

std::string to_text(const Shape& shape);  // "16x32x32"; a vector "10"

// What a reader needs to know of the node's attributes: "3x3 stride 2 pad 1 groups 16", "64
// features".
std::string describe_attributes(const Node& node);

// One line per node: name, operation, attributes, inputs by name, output shape.
std::string to_text(const Graph& graph);
// {"name", "nodes": [{"name", "op", "attributes", "inputs", "output_shape"}]}
nlohmann::json to_json(const Graph& graph);

// One module: {"name", "op", "attributes", "output_shape", "parameters", "macs", "madds_published"}
// and, for convolutions and linear layers, {"weights", "weight_bits", "activation_bits",
// "output_bits", "bops", "bytes"}; fields as in LayerCount.
nlohmann::json to_json(const Graph& graph, const LayerCount& layer);
nlohmann::json to_json(const TotalCount& total);  // fields as in TotalCount

}  // namespace bitsweep::graph
