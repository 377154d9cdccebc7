#include "quant/quantizer_rules.h"

#include <string_view>

#include "core/error.h"

namespace bitsweep::quant {
namespace {

using config::TensorQuantConfig;

[[noreturn]] void refuse(const char* table, const TensorQuantConfig& settings, const char* key,
                         std::string_view value, std::string_view why) {
  throw ConfigError(fmt::format("{}.{} = {} does not go with {}.quantizer = \"{}\": {}", table, key,
                                value, table, settings.quantizer, why));
}

void check_no_grid_options(const char* table, const TensorQuantConfig& settings,
                           std::string_view why_no_allocation) {
  if (settings.bit_allocation != "none") {
    refuse(table, settings, "bit_allocation", settings.bit_allocation, why_no_allocation);
  }
  if (settings.rounding == "stochastic") {
    refuse(table, settings, "rounding", "stochastic", "it rounds to the nearest value");
  }
  if (settings.power_of_two_scale) {
    refuse(table, settings, "power_of_two_scale", "true", "its steps follow from its values");
  }
}

}  // namespace

void check_quantizer(const char* table, const TensorQuantConfig& settings) {
  if (settings.quantizer == "kmeans") {
    check_no_grid_options(table, settings, "every channel has as many centroids");
  }
  if (settings.quantizer != "mid_tread") return;
  check_no_grid_options(table, settings, "it deals out its bins itself, by average_bits");
  const bool is_clipping_known =
      settings.clipping.empty() || settings.clipping == "none" || settings.clipping == "laplace";
  if (!is_clipping_known) {
    refuse(table, settings, "clipping", settings.clipping, "it clips by \"laplace\" or \"none\"");
  }
}

}  // namespace bitsweep::quant
