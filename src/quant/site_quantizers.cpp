#include "quant/site_quantizers.h"

#include "core/error.h"

namespace bitsweep::quant {

using kernels::ClampQuantizer;
using kernels::ClampQuantizerKind;
using kernels::WeightQuantizerKind;

ClampQuantizer clamp_quantizer(const QuantizerSite& site, const std::string& node) {
  ClampQuantizer out;
  out.bits = site.bits;
  if (site.quantizer == "dorefa_clamp") {
    out.kind = ClampQuantizerKind::dorefa_clamp;
    out.factor = static_cast<float>(site.clamp_factor);
  } else if (site.quantizer == "pact_fixed") {
    out.kind = ClampQuantizerKind::pact_fixed;
    out.clip = static_cast<float>(site.clip);
  } else if (site.quantizer == "pact") {
    out.kind = ClampQuantizerKind::pact;
  } else if (site.quantizer == "mpact") {
    out.kind = ClampQuantizerKind::mpact;
  } else {
    throw ConfigError(
        fmt::format("'{}': activation quantizer '{}' cannot be trained; known: "
                    "dorefa_clamp, pact_fixed, pact, mpact (and lsq, in training alone)",
                    node, site.quantizer));
  }
  return out;
}

kernels::WeightQuantizer weight_quantizer(const QuantizerSite& site, const std::string& node) {
  if (site.quantizer == "tanh_symmetric") return {WeightQuantizerKind::tanh_symmetric, site.bits};
  if (site.quantizer == "dorefa") return {WeightQuantizerKind::dorefa, site.bits};
  throw ConfigError(
      fmt::format("'{}': weight quantizer '{}' cannot be trained; known: tanh_symmetric, dorefa",
                  node, site.quantizer));
}

}  // namespace bitsweep::quant
