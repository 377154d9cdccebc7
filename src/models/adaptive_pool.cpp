#include "models/adaptive_pool.h"

#include "core/error.h"

namespace bitsweep::models {

graph::NodeId add_adaptive_average_pool(graph::Graph& g, std::string name, graph::NodeId x,
                                        int size) {
  const graph::Shape& input = g.node(x).output;
  if (input.height % size != 0 || input.width % size != 0 || input.height == 0) {
    throw ConfigError(fmt::format(
        "data.image_size: '{}' of network '{}' averages {}×{} to {}×{}; expected multiples of {}",
        name, g.name(), input.height, input.width, size, size, size));
  }
  graph::Pool pool{.kind = graph::PoolKind::average, .style = graph::PoolStyle::adaptive_module};
  pool.kernel = {static_cast<int>(input.height) / size, static_cast<int>(input.width) / size};
  pool.stride = pool.kernel;
  return g.add(std::move(name), pool, {x});
}

}  // namespace bitsweep::models
