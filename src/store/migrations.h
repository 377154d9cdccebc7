// The numbered migrations of src/store/migrations/, compiled in: number n takes a database of
// schema n − 1 (0: empty) to schema n. A released one is never edited; a change is a new file and a
// line in meson.build.
#pragma once

#include <span>
#include <string_view>

namespace bitsweep::store {

std::span<const std::string_view> migrations();

}  // namespace bitsweep::store
