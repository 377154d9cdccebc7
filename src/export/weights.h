// Weights of a network from safetensors and PyTorch files, and to safetensors files.
#pragma once

#include <filesystem>

#include "export/safetensors.h"
#include "graph/graph.h"
#include "graph/parameters.h"

namespace bitsweep::exporting {

// Every tensor of `graph`, and nothing else, from `path`, by the name map that fits the file
// (export/name_map.h). Floating types become float32; int8 codes `X.weight` (I8) with
// `X.weight_scale` (F32, one or one per output channel) become codes · scale. Throws DataError
// naming file and tensor for a missing or surplus tensor, another shape (both are named), a NaN or
// infinity (with its index), codes without scale, or a type that holds no weights.
graph::Parameters load_weights(const std::filesystem::path& path, const graph::Graph& graph);

// The same from a file already read.
graph::Parameters load_weights(const SafetensorsFile& file, const graph::Graph& graph);

// Every tensor as F32 under the graph's names.
void save_weights(const std::filesystem::path& path, const graph::Parameters& parameters,
                  const Metadata& metadata = {});

}  // namespace bitsweep::exporting
