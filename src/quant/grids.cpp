#include "quant/grids.h"

#include <algorithm>
#include <bit>

#include "core/check.h"
#include "quant/bit_allocation.h"
#include "quant/clipping.h"
#include "quant/mid_tread.h"

namespace bitsweep::quant {
namespace {

using kernels::AffineGrid;
using kernels::RealRange;

kernels::ScaleRule scale_rule(const QuantizerSite& site) {
  return site.power_of_two_scale ? kernels::ScaleRule::power_of_two : kernels::ScaleRule::any;
}

// Document 004 has two affine paths that differ in more than their ties: what is called `away` is
// the whole kernel path of facts B.1.2, `even` the vector path of B.1.1. The kernel path leaves an
// empty range alone; where a ReLU is performed, nothing of one is above 0, and the vector path's 0
// is the ReLU's.
AffineGrid affine(const QuantizerSite& site, RealRange range, int bits) {
  const bool performs_relu_on_nothing = site.half_range && !(range.length > 0.0F);
  return site.ties == config::Ties::away && bits > 0 && !performs_relu_on_nothing
             ? kernels::anchored_affine_grid(range, bits, scale_rule(site))
             : kernels::affine_grid(range, bits, scale_rule(site));
}

AffineGrid symmetric(const QuantizerSite& site, RealRange range, int bits) {
  if (bits < 2) throw ConfigError("a symmetric grid of 1 bit has no code but 0: use 2 bits");
  const float upper = range.lower + range.length;
  return kernels::symmetric_grid(std::max(-range.lower, upper), bits,
                                 kernels::SymmetricCodes::narrow, scale_rule(site));
}

// What stands for all values of a channel of 0 bits.
AffineGrid zero_bit_grid(const QuantizerSite& site, RealRange range, const Statistics& statistics) {
  if (site.allocation.zero_bits == config::ZeroBits::lower_end) return affine(site, range, 0);
  const auto mean = static_cast<float>(statistics.mean);
  return kernels::constant_grid(site.half_range ? std::max(mean, 0.0F) : mean);
}

// A symmetric grid has no codes to spend below 0 where a ReLU is performed: it is unsigned there.
bool is_affine(const QuantizerSite& site) {
  BITSWEEP_CHECK(site.quantizer == "affine" || site.quantizer == "symmetric", "quantizer '{}'",
                 site.quantizer);
  return site.quantizer == "affine" || site.half_range;
}

kernels::Rounding rounding(const QuantizerSite& site) {
  const bool away = site.ties == config::Ties::away;
  if (is_affine(site)) {
    return away ? kernels::kDocument004KernelRounding : kernels::kDocument004VectorRounding;
  }
  kernels::Rounding out;
  out.ties = away ? kernels::Ties::away : kernels::Ties::even;
  return out;
}

double spread(const std::string& prior, const Statistics& statistics) {
  if (prior == "std") return statistics.std;
  if (prior == "b") return statistics.b;
  BITSWEEP_CHECK(prior == "range", "prior '{}'", prior);
  return statistics.max - statistics.min;
}

std::vector<int> widths(const QuantizerSite& site, std::span<const Statistics> statistics) {
  if (!site.is_allocated()) return std::vector<int>(statistics.size(), site.bits);
  std::vector<double> spreads;
  for (const Statistics& channel : statistics) {
    spreads.push_back(spread(site.allocation.prior, channel));
  }
  return allocate_bits(site.allocation.rule, spreads, site.allocation.average_bits);
}

// Bits that tell the codes of a grid apart.
int fixed_width(const AffineGrid& grid) {
  return static_cast<int>(std::bit_width(static_cast<std::uint32_t>(grid.qmax - grid.qmin)));
}

Grids mid_tread_grids(const QuantizerSite& site, std::span<const Statistics> statistics) {
  std::vector<double> spreads;
  for (const Statistics& channel : statistics) spreads.push_back(channel.std);
  const std::vector<int> bins = mid_tread_bins(spreads, site.allocation.average_bits);
  Grids out;
  for (std::size_t i = 0; i < statistics.size(); ++i) {
    const MidTread made =
        mid_tread(statistics[i], {bins[i], site.half_range, site.clipping == "laplace"});
    out.bits.push_back(fixed_width(made.grid));
    out.ranges.push_back(made.range);
    out.grids.push_back(made.grid);
  }
  return out;
}

}  // namespace

bool needs_moments(const QuantizerSite& site) {
  if (site.quantizer == "mid_tread") return true;
  if (clipping_named(site.clipping).rule->needs_moments) return true;
  return site.is_allocated() &&
         (site.allocation.prior != "range" || site.allocation.zero_bits == config::ZeroBits::mean);
}

bool needs_histogram(const QuantizerSite& site) {
  return clipping_named(site.clipping).rule->needs_histogram;
}

Grids make_grids(const QuantizerSite& site, std::span<const Statistics> statistics) {
  BITSWEEP_CHECK(!statistics.empty(), "no statistics");
  BITSWEEP_CHECK(site.bits < config::kUnquantizedBits, "{} bits are no quantizer", site.bits);
  if (site.quantizer == "mid_tread") return mid_tread_grids(site, statistics);
  const ChosenClipping clipping = clipping_named(site.clipping);
  Grids out;
  out.bits = widths(site, statistics);
  out.rounding = rounding(site);
  for (std::size_t i = 0; i < statistics.size(); ++i) {
    const int bits = out.bits[i];
    const auto grid = [&](RealRange range) {
      if (bits == 0) return zero_bit_grid(site, range, statistics[i]);
      return is_affine(site) ? affine(site, range, bits) : symmetric(site, range, bits);
    };
    const RealRange range =
        clipping.rule->range(statistics[i], {bits, site.half_range, site.clipping_constants,
                                             clipping.parameter, site.percentile, grid});
    out.ranges.push_back(range);
    out.grids.push_back(grid(range));
  }
  return out;
}

}  // namespace bitsweep::quant
