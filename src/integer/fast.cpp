#include "integer/fast.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>
#include <optional>

#include "core/check.h"
#include "core/error.h"
#include "integer/bounds.h"
#include "kernels/integer_layers.h"

namespace bitsweep::integer {
namespace {

using kernels::CodePlane;
using kernels::CodeType;
using kernels::kChannelBlock;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

std::int64_t rounded_up(std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; }

std::size_t bytes_of(CodeType type) {
  return type == CodeType::u8 ? 1 : type == CodeType::s16 ? 2 : 4;
}

// Where the codes of a tensor lie: [height + halo][width + halo][channels padded], halo and padding
// hold the code 0.
struct Buffer {
  CodeType type = CodeType::s32;
  std::int32_t offset = 0;
  graph::Padding halo;
  std::int64_t depth = 0;  // channels of a pixel, padding included
  std::int64_t rows = 0, columns = 0;
  std::vector<std::byte> bytes;

  // Of the code at row y, column x (either may be in the halo), channel 0.
  CodePlane plane(std::int64_t y = 0, std::int64_t x = 0) {
    const std::int64_t position = ((y + halo.top) * columns + x + halo.left) * depth;
    return {bytes.data() + at(position) * bytes_of(type), type, offset, columns * depth, depth};
  }
};

void grow(graph::Padding& halo, const graph::Padding& by) {
  halo = {std::max(halo.top, by.top), std::max(halo.left, by.left),
          std::max(halo.bottom, by.bottom), std::max(halo.right, by.right)};
}

// In the narrowest type that the kernels read; signed codes of 8 bits are stored as code + 128.
Buffer buffer_for(const Tensor& tensor, const graph::Padding& halo) {
  Buffer out;
  if (tensor.low >= 0 && tensor.high <= 255) {
    out.type = CodeType::u8;
  } else if (tensor.low >= -128 && tensor.high <= 127) {
    out.type = CodeType::u8;
    out.offset = 128;
  } else if (tensor.low >= -32768 && tensor.high <= 32767) {
    out.type = CodeType::s16;
  }
  out.halo = halo;
  out.depth = rounded_up(tensor.shape.channels, 4);
  out.rows = tensor.shape.height + halo.top + halo.bottom;
  out.columns = tensor.shape.width + halo.left + halo.right;
  const std::int64_t elements = out.rows * out.columns * out.depth;
  // What a block reads behind the last pixel.
  out.bytes.resize(at(elements) * bytes_of(out.type) + 64,
                   static_cast<std::byte>(out.type == CodeType::u8 ? out.offset : 0));
  return out;
}

// Codes as [channels, height, width].
std::vector<std::int32_t> read(Buffer& buffer, const graph::Shape& shape) {
  std::vector<std::int32_t> out(at(shape.elements()));
  for (std::int64_t y = 0; y < shape.height; ++y) {
    for (std::int64_t x = 0; x < shape.width; ++x) {
      const CodePlane plane = buffer.plane(y, x);
      for (std::int64_t c = 0; c < shape.channels; ++c) {
        out[at((c * shape.height + y) * shape.width + x)] = kernels::code_at(plane, c);
      }
    }
  }
  return out;
}

void write(Buffer& buffer, const graph::Shape& shape, std::span<const std::int32_t> codes) {
  for (std::int64_t y = 0; y < shape.height; ++y) {
    for (std::int64_t x = 0; x < shape.width; ++x) {
      const CodePlane plane = buffer.plane(y, x);
      for (std::int64_t c = 0; c < shape.channels; ++c) {
        kernels::set_code(plane, c, codes[at((c * shape.height + y) * shape.width + x)]);
      }
    }
  }
}

// A convolution with its arrays, laid out for the kernels.
struct PreparedLayer {
  kernels::Convolution convolution;
  bool depthwise = false;
  std::vector<std::int8_t> weights8;
  std::vector<std::int16_t> weights16;
  std::vector<std::int32_t> start, multiplier, offset;
};

std::vector<std::int32_t> per_block(std::int64_t channels,
                                    const std::function<std::int64_t(std::int64_t)>& value) {
  std::vector<std::int32_t> out(at(rounded_up(channels, kChannelBlock)), 0);
  for (std::int64_t c = 0; c < channels; ++c) out[at(c)] = static_cast<std::int32_t>(value(c));
  return out;
}

}  // namespace

struct FastExecutor::Plan {
  explicit Plan(const Network& network) : network(network) {
    const std::vector<graph::Padding> halos = halos_of_inputs();
    for (std::size_t i = 0; i < network.tensors.size(); ++i) {
      buffers.push_back(buffer_for(network.tensors[i], halos[i]));
    }
    for (const Step& step : network.steps) {
      std::visit([this](const auto& s) { prepare(s); }, step);
    }
  }

  void run(std::span<const float> image, float* logits) {
    load(image);
    for (const auto& step : steps) step();
    classify(network.classifier(), logits);
  }

  const Network& network;
  std::vector<Buffer> buffers;  // by tensor
  std::vector<std::unique_ptr<PreparedLayer>> layers;
  std::vector<std::function<void()>> steps;
  std::vector<std::string> slow;
  std::vector<std::int32_t> image_codes;

 private:
  Buffer& buffer(TensorId id) { return buffers[at(id)]; }
  const graph::Shape& shape(TensorId id) const { return network.tensor(id).shape; }

  std::vector<graph::Padding> halos_of_inputs() const {
    std::vector<graph::Padding> out(network.tensors.size());
    for (const Step& step : network.steps) {
      if (const auto* layer = std::get_if<Layer>(&step)) {
        grow(out[at(layer->input)], layer->shape.padding);
      }
    }
    return out;
  }

  void load(std::span<const float> image) {
    const Tensor& input = network.input();
    const graph::Shape& s = input.shape;
    image_codes.resize(at(s.elements()));
    kernels::input_codes(image.data(), image_codes.data(), s.elements(), input.scale, input.low,
                         input.high);
    write(buffers[0], s, image_codes);
  }

  // Why the kernels cannot run a layer; "" where they can.
  std::string obstacle(const Layer& s) {
    const graph::Convolution& c = s.shape;
    const Buffer& in = buffer(s.input);
    const bool depthwise = c.groups == c.in_channels && c.groups == c.out_channels;
    if (c.groups != 1 && !depthwise) return "it is grouped";
    if (in.type == CodeType::s32) return "its input has more than 16 bits";
    const bool bytes = in.type == CodeType::u8 && !(depthwise && c.groups > 1);
    if (s.weights.bits > (bytes ? 8 : 16)) {
      return fmt::format("its weights have {} bits", s.weights.bits);
    }
    // Of codes as they are stored, whatever the order of the sum.
    const std::int64_t most =
        in.type == CodeType::u8 ? 255 + in.offset : std::numeric_limits<std::int16_t>::max() + 1;
    const std::size_t per_channel = s.weights.codes.size() / at(c.out_channels);
    for (std::size_t o = 0; o < at(c.out_channels); ++o) {
      std::int64_t sum = 0;
      for (std::size_t i = 0; i < per_channel; ++i) {
        sum += std::abs(std::int64_t{s.weights.codes[o * per_channel + i]});
      }
      const bool proven = in.type == CodeType::s16
                              ? largest_sum(s, o) <= std::numeric_limits<std::int32_t>::max()
                              : sum * most <= std::numeric_limits<std::int32_t>::max();
      if (!proven) return "its sums can leave int32";
    }
    return "";
  }

  // Σ |weight| · largest |code| of an output channel.
  std::int64_t largest_sum(const Layer& s, std::size_t channel) const {
    const Tensor& in = network.tensor(s.input);
    const std::int64_t code = std::max(std::abs(std::int64_t{in.low}), std::int64_t{in.high});
    const std::size_t n = s.weights.codes.size() / at(s.shape.out_channels);
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
      sum += code * std::abs(std::int64_t{s.weights.codes[channel * n + i]});
    }
    return sum;
  }

  void prepare(const Layer& s) {
    if (const std::string why = obstacle(s); !why.empty()) {
      slow.push_back(fmt::format("{}: {}", s.name, why));
      steps.push_back([this, &s] {
        const auto x = read(buffer(s.input), shape(s.input));
        std::vector<std::int32_t> other;
        if (s.other != kNone) other = read(buffer(s.other), shape(s.other));
        write(buffer(s.output), shape(s.output), run_layer(network, s, x, other));
      });
      return;
    }
    layers.push_back(std::make_unique<PreparedLayer>());
    PreparedLayer& out = *layers.back();
    lay_out(s, out);
    steps.push_back([&out] {
      if (out.depthwise) {
        kernels::convolve_depthwise(out.convolution);
      } else {
        kernels::convolve(out.convolution);
      }
    });
  }

  void lay_out(const Layer& s, PreparedLayer& out) {
    const graph::Convolution& shape_of = s.shape;
    Buffer& in = buffer(s.input);
    out.depthwise = shape_of.groups > 1;
    kernels::Convolution& c = out.convolution;
    c.input = in.plane(-shape_of.padding.top, -shape_of.padding.left);
    c.depth = in.depth;
    c.height = shape(s.output).height;
    c.width = shape(s.output).width;
    c.kernel_height = shape_of.kernel[0];
    c.kernel_width = shape_of.kernel[1];
    c.stride_y = shape_of.stride[0];
    c.stride_x = shape_of.stride[1];
    c.dilation_y = shape_of.dilation[0];
    c.dilation_x = shape_of.dilation[1];
    arrange_weights(s, in, out);
    const std::int64_t channels = shape_of.out_channels;
    const std::size_t per_channel = s.weights.codes.size() / at(channels);
    out.start = per_block(channels, [&](std::int64_t o) {
      std::int64_t sum = 0;
      for (std::size_t i = 0; i < per_channel; ++i) sum += s.weights.codes[at(o) * per_channel + i];
      return -sum * in.offset;  // what the offset of the stored codes adds
    });
    out.multiplier =
        per_block(channels, [&](std::int64_t o) { return s.requantization.multiplier_of(o); });
    out.offset = per_block(channels, [&](std::int64_t o) { return s.requantization.offset_of(o); });
    c.start = out.start.data();
    c.stage = {.channels = channels,
               .multiplier = out.multiplier.data(),
               .offset = out.offset.data(),
               .other = s.other == kNone ? CodePlane{} : buffer(s.other).plane(),
               .other_multiplier = s.requantization.other_multiplier,
               .input_shift = s.input_shift,
               .added_shift = s.requantization.added_shift,
               .requantizer = network.requantizer(s.output, s.requantization.fraction_bits),
               .output = buffer(s.output).plane()};
  }

  // As kernels/integer_layers.h wants them; channels that pad a pixel have weights of 0.
  static void arrange_weights(const Layer& s, const Buffer& in, PreparedLayer& out) {
    const graph::Convolution& c = s.shape;
    const std::int64_t taps = std::int64_t{c.kernel[0]} * c.kernel[1];
    const std::int64_t padded = rounded_up(c.out_channels, kChannelBlock);
    if (out.depthwise) {
      out.weights16.resize(at(taps * padded));
      for (std::int64_t o = 0; o < c.out_channels; ++o) {
        for (std::int64_t t = 0; t < taps; ++t) {
          out.weights16[at(t * padded + o)] =
              static_cast<std::int16_t>(s.weights.codes[at(o * taps + t)]);
        }
      }
      out.convolution.weights = out.weights16.data();
      return;
    }
    const bool bytes = in.type == CodeType::u8;
    const std::int64_t group = bytes ? 4 : 2;
    const std::int64_t elements = padded * taps * in.depth;
    if (bytes) {
      out.weights8.resize(at(elements));
      out.convolution.weights = out.weights8.data();
    } else {
      out.weights16.resize(at(elements));
      out.convolution.weights = out.weights16.data();
    }
    for (std::int64_t o = 0; o < c.out_channels; ++o) {
      for (std::int64_t i = 0; i < c.in_channels; ++i) {
        for (std::int64_t t = 0; t < taps; ++t) {
          const std::int64_t to =
              (((o / kChannelBlock * taps + t) * (in.depth / group) + i / group) * kChannelBlock +
               o % kChannelBlock) *
                  group +
              i % group;
          const std::int32_t code = s.weights.codes[at((o * c.in_channels + i) * taps + t)];
          if (bytes) {
            out.weights8[at(to)] = static_cast<std::int8_t>(code);
          } else {
            out.weights16[at(to)] = static_cast<std::int16_t>(code);
          }
        }
      }
    }
  }

  void prepare(const Combination& s) {
    steps.push_back([this, &s] {
      const graph::Shape& to = shape(s.output);
      const kernels::Requantizer q = network.requantizer(s.output, s.fraction_bits);
      std::vector<std::int64_t> sums(at(to.channels));
      for (std::int64_t y = 0; y < to.height; ++y) {
        for (std::int64_t x = 0; x < to.width; ++x) {
          std::ranges::fill(sums, 0);
          std::ranges::copy(s.offset, sums.begin());
          for (std::size_t i = 0; i < s.inputs.size(); ++i) {
            const CodePlane in = buffer(s.inputs[i]).plane(y, x);
            const auto& multipliers = s.multipliers[i];
            for (std::int64_t c = 0; c < to.channels; ++c) {
              sums[at(c)] += std::int64_t{multipliers[multipliers.size() == 1 ? 0 : at(c)]} *
                             kernels::code_at(in, c);
            }
          }
          const CodePlane out = buffer(s.output).plane(y, x);
          for (std::int64_t c = 0; c < to.channels; ++c) {
            kernels::set_code(out, c, kernels::requantized(sums[at(c)], q));
          }
        }
      }
    });
  }

  void prepare(const MeanPool& s) {
    steps.push_back([this, &s] {
      const graph::Shape& from = shape(s.input);
      const std::int64_t window = from.height * from.width;
      const kernels::Requantizer q = network.requantizer(s.output, s.fraction_bits);
      std::vector<std::int64_t> sums(at(from.channels), 0);
      for (std::int64_t y = 0; y < from.height; ++y) {
        for (std::int64_t x = 0; x < from.width; ++x) {
          const CodePlane plane = buffer(s.input).plane(y, x);
          for (std::int64_t c = 0; c < from.channels; ++c)
            sums[at(c)] += kernels::code_at(plane, c);
        }
      }
      const CodePlane out = buffer(s.output).plane();
      for (std::int64_t c = 0; c < from.channels; ++c) {
        const std::int64_t sum = sums[at(c)];
        kernels::set_code(out, c,
                          s.whole_mean ? kernels::pooled_in_two_steps(sum, window, s.multiplier, q)
                                       : kernels::requantized(sum * s.multiplier, q));
      }
    });
  }

  void prepare(const MaxPool& s) {
    slow.push_back(fmt::format("{}: a maximum has no kernel", s.name));
    steps.push_back([this, &s] {
      write(buffer(s.output), shape(s.output),
            run_max_pool(network, s, read(buffer(s.input), shape(s.input))));
    });
  }

  void prepare(const ShortcutPad& s) {
    steps.push_back([this, &s] {
      const graph::Shape& to = shape(s.output);
      for (std::int64_t y = 0; y < to.height; ++y) {
        for (std::int64_t x = 0; x < to.width; ++x) {
          const CodePlane out = buffer(s.output).plane(y, x);
          const CodePlane in = buffer(s.input).plane(y * s.shape.stride, x * s.shape.stride);
          for (std::int64_t c = 0; c < shape(s.input).channels; ++c) {
            kernels::set_code(out, c + s.shape.channels_before, kernels::code_at(in, c));
          }
        }
      }
    });
  }

  void prepare(const Classifier&) {}

  void classify(const Classifier& s, float* logits) {
    const CodePlane x = buffer(s.input).plane();
    const double scale = network.tensor(s.input).scale * s.weights.scale;
    for (std::int64_t k = 0; k < s.out_features; ++k) {
      std::int64_t sum = 0;
      for (std::int64_t i = 0; i < s.in_features; ++i) {
        sum += std::int64_t{s.weights.codes[at(k * s.in_features + i)]} * kernels::code_at(x, i);
      }
      logits[k] = kernels::logit_of(sum, scale, s.bias[at(k)]);
    }
  }
};

FastExecutor::FastExecutor(const Network& network) : plan_(std::make_unique<Plan>(network)) {}
FastExecutor::~FastExecutor() = default;
FastExecutor::FastExecutor(FastExecutor&&) noexcept = default;

void FastExecutor::run(std::span<const float> images, std::int64_t count, std::span<float> logits) {
  const std::size_t image = at(plan_->network.input().shape.elements());
  const std::size_t classes = at(plan_->network.num_classes());
  BITSWEEP_CHECK(images.size() == at(count) * image && logits.size() == at(count) * classes,
                 "{} values and {} logits for {} images", images.size(), logits.size(), count);
  for (std::size_t i = 0; i < at(count); ++i) {
    plan_->run(images.subspan(i * image, image), logits.data() + i * classes);
  }
}

Trace FastExecutor::trace(std::span<const float> image) {
  Trace out;
  out.logits.resize(at(plan_->network.num_classes()));
  run(image, 1, out.logits);
  for (std::size_t i = 0; i < plan_->buffers.size(); ++i) {
    out.codes.push_back(read(plan_->buffers[i], plan_->network.tensors[i].shape));
  }
  return out;
}

const std::vector<std::string>& FastExecutor::slow_steps() const { return plan_->slow; }

}  // namespace bitsweep::integer
