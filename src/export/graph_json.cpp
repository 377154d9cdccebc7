#include "export/graph_json.h"

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/error.h"
#include "core/text.h"

namespace bitsweep::exporting {
namespace {

using nlohmann::json;

json padding_json(const graph::Padding& padding) {
  return {padding.top, padding.left, padding.bottom, padding.right};
}

graph::Padding padding_of(const json& json) {
  const auto sides = json.get<std::array<int, 4>>();
  return {sides[0], sides[1], sides[2], sides[3]};
}

// The words of an enumeration in its order.
template <class Kind, std::size_t n>
Kind kind_of(const std::array<const char*, n>& words, const json& word) {
  const auto text = word.get<std::string>();
  for (std::size_t i = 0; i < n; ++i) {
    if (text == words[i]) return static_cast<Kind>(i);
  }
  const std::vector<std::string> known(words.begin(), words.end());
  throw ConfigError(unknown_name_message("kind", text, known));
}
template <class Kind, std::size_t n>
const char* word_of(const std::array<const char*, n>& words, Kind kind) {
  return words.at(static_cast<std::size_t>(kind));
}

constexpr std::array kActivations = {"relu", "relu6", "hard_swish", "hard_sigmoid",
                                     "hard_sigmoid_fifth"};
constexpr std::array kPools = {"max", "average"};
constexpr std::array kPoolStyles = {"module", "adaptive_module", "functional"};

// Each operation writes its word and attributes, and reads the latter back.
struct Writer {
  const graph::Node& node;

  json operator()(const graph::Input&) const {
    return {{"op", "input"},
            {"shape", {node.output.channels, node.output.height, node.output.width}}};
  }
  json operator()(const graph::Convolution& c) const {
    return {{"op", "convolution"},
            {"in_channels", c.in_channels},
            {"out_channels", c.out_channels},
            {"kernel", c.kernel},
            {"stride", c.stride},
            {"padding", padding_json(c.padding)},
            {"dilation", c.dilation},
            {"groups", c.groups},
            {"bias", c.bias}};
  }
  json operator()(const graph::Linear& l) const {
    return {{"op", "linear"},
            {"in_features", l.in_features},
            {"out_features", l.out_features},
            {"bias", l.bias}};
  }
  json operator()(const graph::BatchNorm& b) const {
    return {
        {"op", "batch_norm"}, {"features", b.features}, {"eps", b.eps}, {"momentum", b.momentum}};
  }
  json operator()(const graph::Activation& a) const {
    return {{"op", "activation"}, {"kind", word_of(kActivations, a.kind)}};
  }
  json operator()(const graph::Add&) const { return {{"op", "add"}}; }
  json operator()(const graph::Multiply&) const { return {{"op", "multiply"}}; }
  json operator()(const graph::Concat&) const { return {{"op", "concat"}}; }
  json operator()(const graph::Pool& p) const {
    return {{"op", "pool"},
            {"kind", word_of(kPools, p.kind)},
            {"kernel", p.kernel},
            {"stride", p.stride},
            {"padding", padding_json(p.padding)},
            {"ceil_mode", p.ceil_mode},
            {"count_include_pad", p.count_include_pad},
            {"style", word_of(kPoolStyles, p.style)}};
  }
  json operator()(const graph::GlobalAveragePool& p) const {
    return {{"op", "global_average_pool"}, {"style", word_of(kPoolStyles, p.style)}};
  }
  json operator()(const graph::ZeroPadShortcut& z) const {
    return {{"op", "zero_pad_shortcut"},
            {"stride", z.stride},
            {"channels_before", z.channels_before},
            {"channels_after", z.channels_after}};
  }
  json operator()(const graph::Flatten&) const { return {{"op", "flatten"}}; }
  json operator()(const graph::Dropout& d) const {
    return {{"op", "dropout"}, {"probability", d.probability}};
  }
};

graph::Attributes convolution(const json& j) {
  graph::Convolution c;
  c.in_channels = j.at("in_channels");
  c.out_channels = j.at("out_channels");
  c.kernel = j.at("kernel").get<std::array<int, 2>>();
  c.stride = j.at("stride").get<std::array<int, 2>>();
  c.padding = padding_of(j.at("padding"));
  c.dilation = j.at("dilation").get<std::array<int, 2>>();
  c.groups = j.at("groups");
  c.bias = j.at("bias");
  return c;
}

graph::Attributes pool(const json& j) {
  graph::Pool p;
  p.kind = kind_of<graph::PoolKind>(kPools, j.at("kind"));
  p.kernel = j.at("kernel").get<std::array<int, 2>>();
  p.stride = j.at("stride").get<std::array<int, 2>>();
  p.padding = padding_of(j.at("padding"));
  p.ceil_mode = j.at("ceil_mode");
  p.count_include_pad = j.at("count_include_pad");
  p.style = kind_of<graph::PoolStyle>(kPoolStyles, j.at("style"));
  return p;
}

struct Reader {
  const char* op;
  graph::Attributes (*read)(const json&);
};

const std::array kReaders = {
    Reader{"convolution", convolution},
    Reader{"linear",
           [](const json& j) -> graph::Attributes {
             return graph::Linear{j.at("in_features"), j.at("out_features"), j.at("bias")};
           }},
    Reader{"batch_norm",
           [](const json& j) -> graph::Attributes {
             return graph::BatchNorm{j.at("features"), j.at("eps"), j.at("momentum")};
           }},
    Reader{"activation",
           [](const json& j) -> graph::Attributes {
             return graph::Activation{kind_of<graph::ActivationKind>(kActivations, j.at("kind"))};
           }},
    Reader{"add", [](const json&) -> graph::Attributes { return graph::Add{}; }},
    Reader{"multiply", [](const json&) -> graph::Attributes { return graph::Multiply{}; }},
    Reader{"concat", [](const json&) -> graph::Attributes { return graph::Concat{}; }},
    Reader{"pool", pool},
    Reader{"global_average_pool",
           [](const json& j) -> graph::Attributes {
             return graph::GlobalAveragePool{kind_of<graph::PoolStyle>(kPoolStyles, j.at("style"))};
           }},
    Reader{"zero_pad_shortcut",
           [](const json& j) -> graph::Attributes {
             return graph::ZeroPadShortcut{j.at("stride"), j.at("channels_before"),
                                           j.at("channels_after")};
           }},
    Reader{"flatten", [](const json&) -> graph::Attributes { return graph::Flatten{}; }},
    Reader{"dropout",
           [](const json& j) -> graph::Attributes { return graph::Dropout{j.at("probability")}; }}};

graph::Attributes attributes_of(const json& node) {
  const auto op = node.at("op").get<std::string>();
  std::vector<std::string> known;
  for (const Reader& reader : kReaders) {
    if (op == reader.op) return reader.read(node);
    known.emplace_back(reader.op);
  }
  throw ConfigError(unknown_name_message("operation", op, known));
}

}  // namespace

json graph_to_json(const graph::Graph& graph) {
  json nodes = json::array();
  for (const graph::Node& node : graph.nodes()) {
    json out = std::visit(Writer{node}, node.attributes);
    out["name"] = node.name;
    out["inputs"] = node.inputs;
    nodes.push_back(std::move(out));
  }
  return {{"name", graph.name()}, {"nodes", std::move(nodes)}};
}

graph::Graph graph_from_json(const json& json) {
  graph::Graph out(json.at("name").get<std::string>());
  for (const auto& node : json.at("nodes")) {
    const auto name = node.at("name").get<std::string>();
    if (node.at("op") == "input") {
      const auto shape = node.at("shape").get<std::array<std::int64_t, 3>>();
      out.add_input(name, {shape[0], shape[1], shape[2]});
    } else {
      const auto inputs = node.at("inputs").get<std::vector<graph::NodeId>>();
      for (const graph::NodeId input : inputs) {
        if (input < 0 || input > out.output()) {
          throw ConfigError(
              fmt::format("node '{}' reads node {}, expected one before it", name, input));
        }
      }
      out.add(name, attributes_of(node), inputs);
    }
  }
  return out;
}

}  // namespace bitsweep::exporting
