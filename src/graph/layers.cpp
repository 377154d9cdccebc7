#include "graph/layers.h"

#include <regex>

#include "core/error.h"

namespace bitsweep::graph {
namespace {

// libstdc++'s default matcher backtracks (exponential time, and recursion as deep as the text is
// long); its breadth-first one does not.
#ifdef __GLIBCXX__
constexpr auto kSyntax = std::regex::ECMAScript | std::regex_constants::__polynomial;
#else
constexpr auto kSyntax = std::regex::ECMAScript;
#endif

}  // namespace

struct LayerPattern::Compiled {
  std::regex regex;
};

LayerPattern::LayerPattern(std::string pattern, std::string_view place)
    : text_(std::move(pattern)) {
  if (text_.size() > kMaxLength) {
    throw ConfigError(fmt::format("{}: layer pattern of {} characters, at most {} are allowed",
                                  place, text_.size(), kMaxLength));
  }
  try {
    compiled_ = std::make_unique<Compiled>(Compiled{std::regex(text_, kSyntax)});
  } catch (const std::regex_error& error) {
    throw ConfigError(fmt::format("{}: layer pattern '{}' is not a regular expression: {}", place,
                                  text_, error.what()));
  }
}

LayerPattern::LayerPattern(LayerPattern&&) noexcept = default;
LayerPattern& LayerPattern::operator=(LayerPattern&&) noexcept = default;
LayerPattern::~LayerPattern() = default;

bool LayerPattern::matches(std::string_view name) const {
  return std::regex_match(name.begin(), name.end(), compiled_->regex);
}

std::vector<NodeId> layers(const Graph& graph) {
  std::vector<NodeId> out;
  for (NodeId id = 0; id <= graph.output(); ++id) {
    if (graph.node(id).has_weight()) out.push_back(id);
  }
  return out;
}

std::vector<std::string> layer_names(const Graph& graph) {
  std::vector<std::string> out;
  for (const NodeId id : layers(graph)) out.push_back(graph.node(id).name);
  return out;
}

}  // namespace bitsweep::graph
