// integer::check: what every executor and writer may rely on.
#include <algorithm>
#include <vector>

#include "core/error.h"
#include "integer/bounds.h"
#include "integer/network.h"

namespace bitsweep::integer {
namespace {

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

class Checker {
 public:
  explicit Checker(const Network& network)
      : network_(network), written_(network.tensors.size(), false) {}

  void run() {
    if (network_.tensors.empty()) fail(network_.name, "it has no input");
    if (network_.steps.empty() || !std::holds_alternative<Classifier>(network_.steps.back())) {
      fail(network_.name, "its last step is no classifier");
    }
    for (const Tensor& tensor : network_.tensors) check_tensor(tensor);
    written_[0] = true;
    for (const Step& step : network_.steps) {
      where_ = step_name(step);
      std::visit([this](const auto& s) { check_step(s); }, step);
      const TensorId output = output_of(step);
      if (output != kNone) written_[size(output)] = true;
    }
  }

 private:
  [[noreturn]] void fail(const std::string& where, const std::string& what) const {
    throw DataError(fmt::format("integer network '{}': '{}': {}", network_.name, where, what));
  }
  void require(bool condition, const std::string& what) const {
    if (!condition) fail(where_, what);
  }

  void check_tensor(const Tensor& tensor) {
    where_ = tensor.name;
    require(tensor.low <= tensor.high, fmt::format("bounds {} to {}", tensor.low, tensor.high));
    require(tensor.scale > 0, fmt::format("scale {}; expected one above 0", tensor.scale));
    const auto& [channels, height, width] = tensor.shape;
    require(channels > 0 && height > 0 && width > 0 && tensor.shape.elements() < (1 << 30),
            fmt::format("shape {}x{}x{}", channels, height, width));
  }

  const Tensor& input(TensorId id) const {
    const bool known = id >= 0 && size(id) < written_.size() && written_[size(id)];
    require(known, fmt::format("it reads tensor {}, which no step before it writes", id));
    return network_.tensor(id);
  }

  const Tensor& output(TensorId id) const {
    const bool free = id > 0 && size(id) < written_.size() && !written_[size(id)];
    require(free, fmt::format("it writes tensor {}, which is another's", id));
    return network_.tensor(id);
  }

  void check_shape(const Tensor& tensor, graph::Shape expected) const {
    const auto& [channels, height, width] = tensor.shape;
    require(tensor.shape == expected,
            fmt::format("tensor '{}' is {}x{}x{}; expected {}x{}x{}", tensor.name, channels, height,
                        width, expected.channels, expected.height, expected.width));
  }

  void check_weights(const Weights& weights, std::int64_t expected) const {
    require(weights.bits >= 1 && weights.bits <= 32,
            fmt::format("weights of {} bits; expected 1 to 32", weights.bits));
    require(weights.codes.size() == size(expected),
            fmt::format("{} weights; expected {}", weights.codes.size(), expected));
    require(weights.scale > 0, fmt::format("weight scale {}; expected one above 0", weights.scale));
    const std::int64_t limit = std::int64_t{1} << (weights.bits - 1);
    for (const std::int32_t code : weights.codes) {
      require(code >= -limit && code < limit,
              fmt::format("weight {} does not fit {} bits", code, weights.bits));
    }
  }

  void check_per_channel(std::size_t entries, std::int64_t channels, const char* what,
                         bool may_be_one) const {
    require(entries == size(channels) || (may_be_one && entries == 1),
            fmt::format("{} {}; expected {}", entries, what, channels));
  }

  void check_fraction(int bits) const {
    require(bits >= 0 && bits <= 62, fmt::format("{} fraction bits; expected 0 to 62", bits));
  }

  void check_sum(Bounds sum, int fraction_bits) const {
    require(is_safe(sum, fraction_bits), "its sums can leave 64 bits");
  }

  void check_step(const Layer& s) {
    const graph::Convolution& c = s.shape;
    const Tensor& in = input(s.input);
    const Tensor& out = output(s.output);
    const bool sane = c.groups > 0 && c.in_channels % c.groups == 0 &&
                      c.out_channels % c.groups == 0 && c.kernel[0] > 0 && c.kernel[1] > 0 &&
                      c.stride[0] > 0 && c.stride[1] > 0 && c.dilation[0] > 0 && c.dilation[1] > 0;
    require(sane && in.shape.channels == c.in_channels, "its shape and its input do not fit");
    const auto extent = [](std::int64_t n, int before, int after, int kernel, int dilation,
                           int stride) {
      return (n + before + after - dilation * (kernel - 1) - 1) / stride + 1;
    };
    check_shape(out, {c.out_channels,
                      extent(in.shape.height, c.padding.top, c.padding.bottom, c.kernel[0],
                             c.dilation[0], c.stride[0]),
                      extent(in.shape.width, c.padding.left, c.padding.right, c.kernel[1],
                             c.dilation[1], c.stride[1])});
    check_weights(s.weights,
                  c.out_channels * (c.in_channels / c.groups) * c.kernel[0] * c.kernel[1]);
    const Requantization& r = s.requantization;
    check_fraction(r.fraction_bits);
    check_fraction(s.input_shift);
    check_fraction(r.added_shift);
    check_per_channel(r.multiplier.size(), c.out_channels, "multipliers", true);
    if (!r.offset.empty()) check_per_channel(r.offset.size(), c.out_channels, "offsets", false);
    if (s.other != kNone) check_shape(input(s.other), out.shape);
    const std::vector<Bounds> sums =
        accumulator_bounds(s.weights, c.out_channels, in, s.input_shift);
    for (std::int64_t i = 0; i < c.out_channels; ++i) {
      check_sum(sum_before_rounding(network_, s, i, sums[size(i)]), r.fraction_bits);
    }
  }

  void check_step(const Combination& s) {
    require(s.inputs.size() == 1 || s.inputs.size() == 2,
            fmt::format("{} inputs; expected 1 or 2", s.inputs.size()));
    require(s.multipliers.size() == s.inputs.size(), "not one list of multipliers for each input");
    check_fraction(s.fraction_bits);
    const Tensor& out = output(s.output);
    if (!s.offset.empty()) {
      check_per_channel(s.offset.size(), out.shape.channels, "offsets", false);
    }
    Bounds sum;
    for (std::size_t i = 0; i < s.inputs.size(); ++i) {
      const Tensor& in = input(s.inputs[i]);
      check_shape(in, out.shape);
      check_per_channel(s.multipliers[i].size(), out.shape.channels, "multipliers", true);
      Bounds largest;
      for (const std::int32_t multiplier : s.multipliers[i]) {
        const Bounds product = scaled(bounds_of(in), multiplier);
        largest = {std::min(largest.low, product.low), std::max(largest.high, product.high)};
      }
      sum = sum_of(sum, largest);
    }
    for (const std::int32_t offset : s.offset) check_sum(shifted_by(sum, offset), s.fraction_bits);
    check_sum(sum, s.fraction_bits);
  }

  void check_step(const MeanPool& s) {
    const Tensor& in = input(s.input);
    check_shape(output(s.output), {in.shape.channels, 1, 1});
    check_fraction(s.fraction_bits);
    const Bounds sum = scaled(bounds_of(in), in.shape.height * in.shape.width);
    check_sum(scaled(sum, s.multiplier), s.fraction_bits);
  }

  void check_step(const MaxPool& s) {
    const Tensor& in = input(s.input);
    const Tensor& out = output(s.output);
    require(s.shape.kind == graph::PoolKind::max && out.shape.channels == in.shape.channels &&
                s.shape.kernel[0] > 0 && s.shape.kernel[1] > 0 && s.shape.stride[0] > 0 &&
                s.shape.stride[1] > 0,
            "its shape and its tensors do not fit");
  }

  void check_step(const ShortcutPad& s) {
    const Tensor& in = input(s.input);
    require(s.shape.stride > 0, fmt::format("stride {}", s.shape.stride));
    check_shape(
        output(s.output),
        {in.shape.channels + s.shape.channels_before + s.shape.channels_after,
         (in.shape.height - 1) / s.shape.stride + 1, (in.shape.width - 1) / s.shape.stride + 1});
  }

  void check_step(const Classifier& s) {
    const Tensor& in = input(s.input);
    require(s.out_features > 0, "it has no classes");
    check_shape(in, {s.in_features, 1, 1});
    check_weights(s.weights, s.in_features * s.out_features);
    check_per_channel(s.bias.size(), s.out_features, "biases", false);
    for (const Bounds& sum : accumulator_bounds(s.weights, s.out_features, in)) check_sum(sum, 0);
  }

  const Network& network_;
  std::vector<bool> written_;  // by tensor
  std::string where_;
};

}  // namespace

void check(const Network& network) { Checker(network).run(); }

}  // namespace bitsweep::integer
