// What a safetensors file holds, for people and programs: an exported network, a checkpoint of a
// training, or plain weights. Whole numbers: integer/inspection.h.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "export/safetensors.h"

namespace bitsweep::exporting {

// How many values fall on each code, or into each of equal parts of their range.
struct Histogram {
  std::vector<double> lower;  // of each bin; of codes: the code
  std::vector<std::int64_t> count;
  double width = 1;       // of a bin
  bool of_codes = false;  // else of real values
};

// Few codes get a bin each, many codes and real values `bins` of them.
Histogram histogram_of(std::span<const std::int32_t> codes, std::int32_t lowest,
                       std::int32_t highest, int bins);
Histogram histogram_of(std::span<const float> values, int bins);

// One line a bin, bars within `width` columns.
std::string to_text(const Histogram& histogram, std::size_t width);
nlohmann::json to_json(const Histogram& histogram);

// Adds "elements", "zeros", and of the finite values "min", "max", "mean", "std"; "not_finite"
// where some are not.
void add_statistics(nlohmann::json& row, std::span<const float> values);

struct Inspection {
  std::string kind;  // "quantized network", "checkpoint", "weights"
  // One value a name: where it is from, what it computed, what it takes.
  std::vector<std::pair<std::string, std::string>> about;
  // One object a weight or tensor: {"name", "shape", "kind": "weight"|"output"|"tensor"|"alpha",
  // "quantizer", "bits", "elements", "min", "max", "mean", "std", "zeros", "scale", "alpha", …}.
  std::vector<nlohmann::json> rows;
};

// Throws DataError for a damaged file.
Inspection inspect(const SafetensorsFile& file);

// The rows of one layer or tensor in full: widths, scales, zero points and corrections of each
// channel, and a histogram of `bins`. Throws ConfigError where the file has no such name.
struct LayerInspection {
  nlohmann::json row;
  Histogram histogram;
};
LayerInspection inspect_layer(const SafetensorsFile& file, const std::string& name, int bins);

}  // namespace bitsweep::exporting
