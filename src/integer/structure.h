// An integer network as what a file holds: its arrays, and all else as JSON, from which the same
// network is made again (integer/file.h).
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "integer/network.h"

namespace bitsweep::integer {

// One array of a network: "STEP.weight", "STEP.multiplier", "STEP.offset", "STEP.other_multiplier"
// (of a combination's second input), "STEP.bias" (float32 bits in an int32 each).
struct IntegerArray {
  std::string name;
  std::vector<std::int64_t> shape;
  int bits = 32;      // of the two's complement that holds every entry
  bool real = false;  // the entries are float32
  std::span<const std::int32_t> values{};
  std::span<const float> reals{};
};

// In the order of the steps. Spans look into `network`.
std::vector<IntegerArray> arrays_of(const Network& network);

// Everything but the arrays. Widths, scales, bounds, shapes and connections; numbers come back
// exactly.
nlohmann::json structure_of(const Network& network);

// Where network_from() finds the arrays of a name; as many entries as asked for, else DataError.
struct ArraySource {
  std::function<std::vector<std::int32_t>(const std::string& name, std::int64_t elements)> integers;
  std::function<std::vector<float>(const std::string& name, std::int64_t elements)> reals;
};
// Throws DataError beginning with `where` for what is no structure, and as check().
Network network_from(const nlohmann::json& structure, const ArraySource& source,
                     const std::string& where);

}  // namespace bitsweep::integer
