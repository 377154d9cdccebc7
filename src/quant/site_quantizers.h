// The kernels' quantizers that sites of scheme `dorefa_pact` stand for.
#pragma once

#include <string>

#include "kernels/clamp_quantize_math.h"
#include "kernels/weight_quantizer_math.h"
#include "quant/sites.h"

namespace bitsweep::quant {

// Of an output's or a weight's site. `node`: its name, for messages. Throw ConfigError for the
// quantizers of other schemes.
kernels::ClampQuantizer clamp_quantizer(const QuantizerSite& site, const std::string& node);
kernels::WeightQuantizer weight_quantizer(const QuantizerSite& site, const std::string& node);

}  // namespace bitsweep::quant
