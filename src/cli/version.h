#pragma once

namespace bitsweep::cli {

// "0.1.0", from meson.build.
inline const char* version() { return BITSWEEP_VERSION; }

}  // namespace bitsweep::cli
