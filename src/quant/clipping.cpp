#include "quant/clipping.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/check.h"
#include "core/error.h"

namespace bitsweep::quant {

ChosenClipping clipping_named(std::string_view value) {
  const std::size_t colon = value.find(':');
  ChosenClipping out{&clippings().get(value.substr(0, colon)), 0};
  if (colon == std::string_view::npos) return out;
  const std::string_view number = value.substr(colon + 1);
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), out.parameter);
  if (error != std::errc() || end != number.data() + number.size() || !(out.parameter > 0) ||
      !std::isfinite(out.parameter)) {
    throw ConfigError(
        fmt::format("clipping '{}': expected a number above 0 behind the colon", value));
  }
  return out;
}

const Histogram& histogram_of(const Statistics& statistics) {
  BITSWEEP_CHECK(statistics.histogram, "a clipping rule without its histogram");
  return *statistics.histogram;
}

double clipping_constant(Prior prior, const ClippingRequest& request) {
  if (request.constants == config::ClippingConstants::two_decimals) {
    const auto published = published_clipping(prior, request.bits, request.half_range);
    if (published) return *published;
  }
  const double levels = std::ldexp(1.0, request.bits);
  return request.half_range ? one_sided_optimal_clipping(prior, levels)
                            : optimal_clipping(prior, levels);
}

double expected_clipping_mse(Prior prior, double alpha, const ClippingRequest& request) {
  const double levels = std::ldexp(1.0, request.bits);
  return request.half_range ? one_sided_clipping_mse(prior, alpha, levels)
                            : clipping_mse(prior, alpha, levels);
}

kernels::RealRange range_around_mean(const Statistics& statistics, double alpha, bool half_range) {
  if (half_range) return {0.0F, static_cast<float>(std::max(statistics.mean, 0.0) + alpha)};
  return {static_cast<float>(std::max(statistics.min, statistics.mean - alpha)),
          static_cast<float>(2 * alpha)};
}

}  // namespace bitsweep::quant
