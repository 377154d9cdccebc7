// A network as JSON that gives the same network back: what an exported file carries, so that it
// runs without the model's builder (docs/formats.md, "Graph").
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "graph/graph.h"

namespace bitsweep::exporting {

// {"name", "nodes": [{"name", "op", "inputs": [positions], …attributes}]}. Lists of widths
// (graph/bit_map.h) are left out.
nlohmann::json graph_to_json(const graph::Graph& graph);

// Throws nlohmann::json::exception for what is missing or of another type, and ConfigError for an
// unknown operation or shapes that do not fit.
graph::Graph graph_from_json(const nlohmann::json& json);

}  // namespace bitsweep::exporting
