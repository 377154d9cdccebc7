// The version of bitsweep, as meson.build says it.
#pragma once

namespace bitsweep::cli {

const char* version();  // "0.1.0"

}  // namespace bitsweep::cli
