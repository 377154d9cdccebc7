#include "reference.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace bitsweep::testing {
namespace {

using Values = std::vector<double>;

struct Reference {
  const graph::Graph& graph;
  const graph::Parameters& parameters;
  std::int64_t batch;
  std::vector<Values> values;
  graph::NodeId id = 0;

  const graph::Node& node() const { return graph.node(id); }
  const graph::Shape& out() const { return node().output; }
  const graph::Shape& shape_of(std::size_t input) const {
    return graph.node(node().inputs[input]).output;
  }
  const Values& in(std::size_t input) const {
    return values[static_cast<std::size_t>(node().inputs[input])];
  }
  double at(std::size_t input, std::int64_t n, std::int64_t c, std::int64_t y,
            std::int64_t x) const {
    const graph::Shape& s = shape_of(input);
    return in(input)[static_cast<std::size_t>(((n * s.channels + c) * s.height + y) * s.width + x)];
  }
  bool inside(std::int64_t y, std::int64_t x) const {
    return y >= 0 && x >= 0 && y < shape_of(0).height && x < shape_of(0).width;
  }
  double tensor(const char* name, std::int64_t i) const {
    const std::string full = node().name + "." + name;
    return parameters.contains(full) ? parameters.values(full)[static_cast<std::size_t>(i)] : 0.0;
  }

  // f(n, c, y, x) for every output element.
  template <class F>
  Values each(F f) const {
    Values result;
    for (std::int64_t n = 0; n < batch; ++n)
      for (std::int64_t c = 0; c < out().channels; ++c)
        for (std::int64_t y = 0; y < out().height; ++y)
          for (std::int64_t x = 0; x < out().width; ++x) result.push_back(f(n, c, y, x));
    return result;
  }

  Values operator()(const graph::Input&) const { return values[0]; }

  Values operator()(const graph::Convolution& conv) const {
    const std::int64_t in_group = conv.in_channels / conv.groups;
    const std::int64_t out_group = conv.out_channels / conv.groups;
    return each([&](auto n, auto c, auto y, auto x) {
      double sum = tensor("bias", c);
      for (std::int64_t i = 0; i < in_group; ++i)
        for (int ky = 0; ky < conv.kernel[0]; ++ky)
          for (int kx = 0; kx < conv.kernel[1]; ++kx) {
            const std::int64_t iy = y * conv.stride[0] + ky * conv.dilation[0] - conv.padding.top;
            const std::int64_t ix = x * conv.stride[1] + kx * conv.dilation[1] - conv.padding.left;
            if (!inside(iy, ix)) continue;
            const std::int64_t w = ((c * in_group + i) * conv.kernel[0] + ky) * conv.kernel[1] + kx;
            sum += tensor("weight", w) * at(0, n, c / out_group * in_group + i, iy, ix);
          }
      return sum;
    });
  }

  Values operator()(const graph::Linear& linear) const {
    return each([&](auto n, auto c, auto, auto) {
      double sum = tensor("bias", c);
      for (std::int64_t i = 0; i < linear.in_features; ++i)
        sum += tensor("weight", c * linear.in_features + i) *
               in(0)[static_cast<std::size_t>(n * linear.in_features + i)];
      return sum;
    });
  }

  Values operator()(const graph::BatchNorm& norm) const {
    return each([&](auto n, auto c, auto y, auto x) {
      const double centred = at(0, n, c, y, x) - tensor("running_mean", c);
      return tensor("weight", c) * centred / std::sqrt(tensor("running_var", c) + norm.eps) +
             tensor("bias", c);
    });
  }

  Values operator()(const graph::Activation& activation) const {
    return each([&](auto n, auto c, auto y, auto x) {
      const double v = at(0, n, c, y, x);
      const double gate = std::clamp(v + 3, 0.0, 6.0) / 6;
      switch (activation.kind) {
        case graph::ActivationKind::relu:
          return std::max(v, 0.0);
        case graph::ActivationKind::relu6:
          return std::clamp(v, 0.0, 6.0);
        case graph::ActivationKind::hard_swish:
          return v * gate;
        case graph::ActivationKind::hard_sigmoid:
          return gate;
        case graph::ActivationKind::hard_sigmoid_fifth:
          return std::clamp(v / 5 + 0.5, 0.0, 1.0);
      }
      return std::nan("");
    });
  }

  Values operator()(const graph::Add&) const {
    return each(
        [&](auto n, auto c, auto y, auto x) { return at(0, n, c, y, x) + at(1, n, c, y, x); });
  }

  Values operator()(const graph::Multiply&) const {
    const bool spread = shape_of(1).height == 1 && shape_of(1).width == 1;
    return each([&](auto n, auto c, auto y, auto x) {
      return at(0, n, c, y, x) * (spread ? at(1, n, c, 0, 0) : at(1, n, c, y, x));
    });
  }

  Values operator()(const graph::Concat&) const {
    return each([&](auto n, auto c, auto y, auto x) {
      std::size_t input = 0;
      for (; c >= shape_of(input).channels; ++input) c -= shape_of(input).channels;
      return at(input, n, c, y, x);
    });
  }

  Values operator()(const graph::Pool& pool) const {
    const bool is_max = pool.kind == graph::PoolKind::max;
    const std::int64_t height = shape_of(0).height + pool.padding.top + pool.padding.bottom;
    const std::int64_t width = shape_of(0).width + pool.padding.left + pool.padding.right;
    return each([&](auto n, auto c, auto y, auto x) {
      double largest = -std::numeric_limits<double>::infinity();
      double sum = 0;
      int padded = 0;
      int real = 0;
      for (int ky = 0; ky < pool.kernel[0]; ++ky)
        for (int kx = 0; kx < pool.kernel[1]; ++kx) {
          const std::int64_t py = y * pool.stride[0] + ky;
          const std::int64_t px = x * pool.stride[1] + kx;
          if (py >= height || px >= width) continue;  // a window that ceil mode let hang over
          ++padded;
          if (!inside(py - pool.padding.top, px - pool.padding.left)) continue;
          ++real;
          const double v = at(0, n, c, py - pool.padding.top, px - pool.padding.left);
          largest = std::max(largest, v);
          sum += v;
        }
      return is_max ? largest : sum / (pool.count_include_pad ? padded : real);
    });
  }

  Values operator()(const graph::GlobalAveragePool&) const {
    const graph::Shape& s = shape_of(0);
    return each([&](auto n, auto c, auto, auto) {
      double sum = 0;
      for (std::int64_t y = 0; y < s.height; ++y)
        for (std::int64_t x = 0; x < s.width; ++x) sum += at(0, n, c, y, x);
      return sum / static_cast<double>(s.height * s.width);
    });
  }

  Values operator()(const graph::ZeroPadShortcut& shortcut) const {
    return each([&](auto n, auto c, auto y, auto x) {
      const std::int64_t from = c - shortcut.channels_before;
      if (from < 0 || from >= shape_of(0).channels) return 0.0;
      return at(0, n, from, y * shortcut.stride, x * shortcut.stride);
    });
  }

  Values operator()(const graph::Flatten&) const { return in(0); }
  Values operator()(const graph::Dropout&) const { return in(0); }
};

}  // namespace

std::vector<std::vector<double>> evaluate(const graph::Graph& graph,
                                          const graph::Parameters& parameters,
                                          std::span<const float> images, std::int64_t batch) {
  Reference reference{graph, parameters, batch, {Values(images.begin(), images.end())}};
  for (reference.id = 1; reference.id < static_cast<graph::NodeId>(graph.nodes().size());
       ++reference.id) {
    reference.values.push_back(std::visit(reference, reference.node().attributes));
  }
  return std::move(reference.values);
}

}  // namespace bitsweep::testing
