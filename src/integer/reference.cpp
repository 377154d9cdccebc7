#include "integer/reference.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/check.h"

namespace bitsweep::integer {
namespace {

using Codes = std::vector<std::int32_t>;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// Position of (channel, row, column) in a tensor of this shape.
std::size_t position(const graph::Shape& shape, std::int64_t c, std::int64_t y, std::int64_t x) {
  return at((c * shape.height + y) * shape.width + x);
}

// Σ weight·input over the window of output position (oy, ox) of channel oc.
std::int64_t products(const Layer& layer, const graph::Shape& in, std::span<const std::int32_t> x,
                      std::int64_t oc, std::int64_t oy, std::int64_t ox) {
  const graph::Convolution& c = layer.shape;
  const std::int64_t in_group = c.in_channels / c.groups;
  const std::int64_t first = oc / (c.out_channels / c.groups) * in_group;
  std::int64_t sum = 0;
  for (std::int64_t ic = 0; ic < in_group; ++ic) {
    for (int ky = 0; ky < c.kernel[0]; ++ky) {
      for (int kx = 0; kx < c.kernel[1]; ++kx) {
        const std::int64_t iy = oy * c.stride[0] - c.padding.top + ky * c.dilation[0];
        const std::int64_t ix = ox * c.stride[1] - c.padding.left + kx * c.dilation[1];
        if (iy < 0 || iy >= in.height || ix < 0 || ix >= in.width) continue;
        const std::int64_t weight =
            layer.weights.codes[at(((oc * in_group + ic) * c.kernel[0] + ky) * c.kernel[1] + kx)];
        sum += weight * x[position(in, first + ic, iy, ix)];
      }
    }
  }
  return sum;
}

class Executor {
 public:
  Executor(const Network& network, Codes input) : network_(network) {
    trace_.codes.resize(network.tensors.size());
    trace_.codes[0] = std::move(input);
  }

  Trace run() {
    for (const Step& step : network_.steps) std::visit([this](const auto& s) { run(s); }, step);
    return std::move(trace_);
  }

 private:
  const Codes& codes(TensorId id) const { return trace_.codes[at(id)]; }
  Codes& write(TensorId id) {
    Codes& out = trace_.codes[at(id)];
    out.resize(at(network_.tensor(id).shape.elements()));
    return out;
  }

  void run(const Layer& s) {
    const Codes none;
    trace_.codes[at(s.output)] =
        run_layer(network_, s, codes(s.input), s.other == kNone ? none : codes(s.other));
  }

  void run(const Combination& s) {
    const graph::Shape& shape = network_.tensor(s.output).shape;
    const kernels::Requantizer q = network_.requantizer(s.output, s.fraction_bits);
    Codes& out = write(s.output);
    const std::int64_t pixels = shape.height * shape.width;
    for (std::int64_t i = 0; i < shape.elements(); ++i) {
      const std::int64_t c = i / pixels;
      std::int64_t sum = s.offset.empty() ? 0 : s.offset[at(c)];
      for (std::size_t k = 0; k < s.inputs.size(); ++k) {
        const auto& multipliers = s.multipliers[k];
        const std::int64_t multiplier = multipliers[multipliers.size() == 1 ? 0 : at(c)];
        sum += multiplier * codes(s.inputs[k])[at(i)];
      }
      out[at(i)] = kernels::requantized(sum, q);
    }
  }

  void run(const MeanPool& s) {
    const graph::Shape& in = network_.tensor(s.input).shape;
    const std::int64_t window = in.height * in.width;
    const kernels::Requantizer q = network_.requantizer(s.output, s.fraction_bits);
    Codes& out = write(s.output);
    for (std::int64_t c = 0; c < in.channels; ++c) {
      std::int64_t sum = 0;
      for (std::int64_t i = 0; i < window; ++i) sum += codes(s.input)[at(c * window + i)];
      out[at(c)] = s.whole_mean ? kernels::pooled_in_two_steps(sum, window, s.multiplier, q)
                                : kernels::requantized(sum * s.multiplier, q);
    }
  }

  void run(const MaxPool& s) {
    trace_.codes[at(s.output)] = run_max_pool(network_, s, codes(s.input));
  }

  void run(const ShortcutPad& s) {
    const graph::Shape& in = network_.tensor(s.input).shape;
    const graph::Shape& shape = network_.tensor(s.output).shape;
    Codes& out = write(s.output);
    for (std::int64_t c = 0; c < in.channels; ++c) {
      for (std::int64_t y = 0; y < shape.height; ++y) {
        for (std::int64_t x = 0; x < shape.width; ++x) {
          out[position(shape, c + s.shape.channels_before, y, x)] =
              codes(s.input)[position(in, c, y * s.shape.stride, x * s.shape.stride)];
        }
      }
    }
  }

  void run(const Classifier& s) {
    const double scale = network_.tensor(s.input).scale * s.weights.scale;
    trace_.logits.clear();
    const std::vector<std::int64_t> sums = accumulators_of(s, codes(s.input));
    for (std::size_t k = 0; k < sums.size(); ++k) {
      trace_.logits.push_back(kernels::logit_of(sums[k], scale, s.bias[k]));
    }
  }

  const Network& network_;
  Trace trace_;
};

}  // namespace

std::vector<std::int32_t> input_codes(const Tensor& input, std::span<const float> image) {
  BITSWEEP_CHECK(static_cast<std::int64_t>(image.size()) == input.shape.elements(),
                 "an image of {} values", image.size());
  Codes out;
  for (const float value : image)
    out.push_back(kernels::input_code(value, input.scale, input.low, input.high));
  return out;
}

Trace run_reference(const Network& network, std::span<const float> image) {
  return run_reference(network, input_codes(network.input(), image));
}

Trace run_reference(const Network& network, std::vector<std::int32_t> input) {
  return Executor(network, std::move(input)).run();
}

std::vector<std::int32_t> run_layer(const Network& network, const Layer& layer,
                                    std::span<const std::int32_t> input,
                                    std::span<const std::int32_t> other,
                                    std::vector<std::int64_t>* accumulators) {
  const graph::Shape& in = network.tensor(layer.input).shape;
  const graph::Shape& shape = network.tensor(layer.output).shape;
  const Requantization& r = layer.requantization;
  const kernels::Requantizer q = network.requantizer(layer.output, r.fraction_bits);
  Codes out(at(shape.elements()));
  if (accumulators != nullptr) accumulators->assign(out.size(), 0);
  for (std::int64_t c = 0; c < shape.channels; ++c) {
    for (std::int64_t y = 0; y < shape.height; ++y) {
      for (std::int64_t x = 0; x < shape.width; ++x) {
        const std::size_t i = position(shape, c, y, x);
        const std::int64_t accumulator =
            kernels::shifted(products(layer, in, input, c, y, x), layer.input_shift,
                             kernels::FixedRounding::truncate);
        std::int64_t added = r.offset_of(c);
        if (!other.empty()) added += other[i] * std::int64_t{r.other_multiplier};
        const std::int64_t sum = accumulator * r.multiplier_of(c) + (added << r.added_shift);
        out[i] = kernels::requantized(sum, q);
        if (accumulators != nullptr) (*accumulators)[i] = accumulator;
      }
    }
  }
  return out;
}

std::vector<std::int64_t> accumulators_of(const Classifier& classifier,
                                          std::span<const std::int32_t> input) {
  std::vector<std::int64_t> out(at(classifier.out_features), 0);
  for (std::int64_t k = 0; k < classifier.out_features; ++k) {
    for (std::int64_t i = 0; i < classifier.in_features; ++i) {
      const std::int64_t weight = classifier.weights.codes[at(k * classifier.in_features + i)];
      out[at(k)] += weight * input[at(i)];
    }
  }
  return out;
}

std::vector<std::int32_t> run_max_pool(const Network& network, const MaxPool& pool,
                                       std::span<const std::int32_t> input) {
  const graph::Shape& in = network.tensor(pool.input).shape;
  const graph::Shape& shape = network.tensor(pool.output).shape;
  Codes out(at(shape.elements()), std::numeric_limits<std::int32_t>::min());
  for (std::int64_t c = 0; c < shape.channels; ++c) {
    for (std::int64_t oy = 0; oy < shape.height; ++oy) {
      for (std::int64_t ox = 0; ox < shape.width; ++ox) {
        std::int32_t& best = out[position(shape, c, oy, ox)];
        for (int ky = 0; ky < pool.shape.kernel[0]; ++ky) {
          for (int kx = 0; kx < pool.shape.kernel[1]; ++kx) {
            const std::int64_t iy = oy * pool.shape.stride[0] - pool.shape.padding.top + ky;
            const std::int64_t ix = ox * pool.shape.stride[1] - pool.shape.padding.left + kx;
            if (iy < 0 || iy >= in.height || ix < 0 || ix >= in.width) continue;
            best = std::max(best, input[position(in, c, iy, ix)]);
          }
        }
      }
    }
  }
  return out;
}

}  // namespace bitsweep::integer
