// An integer network as one C header (C99, the standard library alone): its weights, multipliers,
// shapes and bounds as constant arrays, and functions that run it on an image. For microcontrollers
// and for checks in other languages; codes and logits are those of integer/reference.h.
#pragma once

#include <string>

#include "integer/network.h"

namespace bitsweep::integer {

// The header's text. Everything in it begins with `prefix`, a C identifier ("toynet"):
//   PREFIX_run(const float image[], float logits[])  the whole network
//   PREFIX_STEP(const int32_t*, …, int32_t*)         each step by itself, codes row-major
// Throws ConfigError where `prefix` is no identifier.
std::string c_header(const Network& network, const std::string& prefix);

}  // namespace bitsweep::integer
