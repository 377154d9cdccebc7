// The name maps' files as text, compiled in by Meson (export/name_map.h).
#pragma once

#include <span>
#include <string_view>
#include <utility>

namespace bitsweep::exporting {

// (name, JSON text), in the order of the word list.
std::span<const std::pair<std::string_view, std::string_view>> name_map_texts();

}  // namespace bitsweep::exporting
