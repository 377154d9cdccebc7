// An integer network from a trained one: the recipe of document 002 (facts A.9; docs/numerics.md,
// "Integer inference").
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "graph/parameters.h"
#include "integer/network.h"
#include "quant/sites.h"

namespace bitsweep::integer {

// α of learned quantizers by the name of the node that they stand on; one without an entry has its
// site's alpha_init, as a training begins.
using Alphas = std::map<std::string, double>;

// `sites`: of scheme `dorefa_pact`, on `graph`, whose batch norms are not folded. Throws
// ConfigError naming the node for what has no integer form (a concatenation, hard-swish, quantizers
// of other schemes) and for settings out of range; DataError for parameters that are not finite.
Network build(const graph::Graph& graph, const quant::SitePlan& sites,
              const graph::Parameters& parameters, const Alphas& alphas, const Settings& settings);

// The pieces of the recipe, each by itself.

// The whole numbers of a layer's weights and their scale. site: nullptr for full precision, which
// takes settings.unquantized_weight_bits of the tensor's own range.
Weights integer_weights(std::span<const float> weights, const quant::QuantizerSite* site,
                        const std::string& node, const Settings& settings);

// A batch norm as y = gain·x + shift, by channel: γ/√(σ²+ε) and β − γμ/√(σ²+ε). In float64; the
// document's variant in float32, in which numbers beyond a format keep what its fraction shows.
struct ChannelAffine {
  std::vector<double> gain;
  std::vector<double> shift;
};
ChannelAffine channel_affine(std::span<const float> gamma, std::span<const float> beta,
                             std::span<const float> mean, std::span<const float> variance,
                             double eps, Variant variant);

// G and H: `rescale` is the output's scale over that of the sums, `scale_out` the output's.
void set_affine(Requantization& out, const ChannelAffine& affine, double rescale, double scale_out,
                kernels::FixedPoint format, Variant variant);

}  // namespace bitsweep::integer
