// Which tensors of a network each entry of a list of widths addresses. A network that a document
// gives lists for states this itself (facts 002 A.1, A.3); schemes that take lists read it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bitsweep::graph {

class Graph;
using NodeId = std::int32_t;

// Where in the network an activation stands, as far as schemes have switches and starting values
// for it.
enum class Spot {
  input,      // the network's input
  outside,    // outside the blocks: behind stem and header
  inside,     // within a block
  branch,     // what a shortcut's own layer hands to the addition
  after_add,  // the sum of a block, behind the ReLU that may follow it; a block's last value
              // where it adds nothing
  norm,       // a batch norm before the layer that it feeds
  pool,       // an average
};

struct BitEntry {
  std::string what;  // "block 3": for messages
  // Its width where one is given for the whole network; nullopt: that one.
  std::optional<int> own_width = std::nullopt;
  bool is_listed = true;  // false: lists have no entry for it, it always has its own width
  // Of outputs: the quantizer of these places whatever the others have; "": theirs.
  std::string own_quantizer = {};
};

struct BitPlace {
  NodeId node = -1;
  std::size_t entry = 0;
  Spot spot = Spot::inside;  // of outputs
};

struct BitMap {
  std::vector<BitEntry> weight_entries;  // the listed ones in the order of lists
  std::vector<BitEntry> output_entries;
  std::vector<BitPlace> weights;  // every layer of the network
  std::vector<BitPlace> outputs;  // whose outputs may be quantized; by node
  // The quantizer of activations in the network's source (facts 002 A.1 to A.3).
  std::string source_quantizer = "mpact";
  // α before the first step of training at Spot::input, outside and pool, and elsewhere, where a
  // quantizer learns it (facts 002 A.1).
  double alpha_outside = 6;
  double alpha_in_blocks = 10;
};

// "0 stem, 1 block 1, …": what the entries of a list address, in its order.
std::string list_text(const std::vector<BitEntry>& entries);

// For a network that states none: an entry for every layer, which its weight takes, and every
// activation, sum and average between it and the next layer. A sum right before an activation is
// left to that; the network's output and maxima, which stay on their grid, are left out.
BitMap default_bit_map(const Graph& graph);

}  // namespace bitsweep::graph
