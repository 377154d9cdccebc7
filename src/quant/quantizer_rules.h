// Which settings go with which quantizer of scheme `aciq`: what a quantizer cannot have is refused
// when the plan is made, with the reason.
#pragma once

#include "config/trial.h"

namespace bitsweep::quant {

// table: "quant.weight" or "quant.activation", for the message. Throws ConfigError.
void check_quantizer(const char* table, const config::TensorQuantConfig& settings);

}  // namespace bitsweep::quant
