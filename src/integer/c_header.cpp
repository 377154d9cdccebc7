#include "integer/c_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <limits>
#include <type_traits>
#include <vector>

#include "core/error.h"

namespace bitsweep::integer {
namespace {

constexpr int kNumbersPerLine = 12;

// What every step is written with; @ stands for the prefix.
constexpr const char* kRunTime = R"(#include <math.h>
#include <stdint.h>

/* v / 2^shift: towards zero, or to the nearest with ties to even. */
static int64_t @_shifted(int64_t v, int shift) {
  const int64_t last = (INT64_C(1) << shift) - 1;
  const int64_t q = v >= 0 ? v >> shift : -((-v + last) >> shift); /* rounded down */
  const int64_t rest = v - q * (INT64_C(1) << shift);
#if @_TRUNCATE
  return q + (v < 0 && rest != 0);
#else
  const int64_t twice = 2 * rest;
  return q + (twice > last + 1 || (shift > 0 && twice == last + 1 && (q & 1)));
#endif
}

static int64_t @_truncated(int64_t v, int shift) { return v / (INT64_C(1) << shift); }

static int32_t @_clipped(int64_t v, int32_t low, int32_t high) {
  return (int32_t)(v < low ? low : v > high ? high : v);
}

typedef struct {
  int in_channels, in_height, in_width, out_channels, out_height, out_width;
  int kernel_height, kernel_width, stride_y, stride_x, top, left, dilation_y, dilation_x, groups;
  int input_shift, multipliers, fraction_bits, added_shift;
  int32_t other_multiplier, low, high;
} @_layer;

/* A convolution or linear layer: y = clip(round((acc * G + (other * R + H) * 2^E) / 2^F)). */
#define @_LAYER(FUNCTION, TYPE, WEIGHT, MULTIPLIER, OFFSET, SHAPE)                               \
  static void FUNCTION(const int32_t* x, const int32_t* other, int32_t* y) {                     \
    const @_layer s = SHAPE;                                                                     \
    const TYPE* weight = WEIGHT;                                                                 \
    const int32_t *multiplier = MULTIPLIER, *offset = OFFSET;                                    \
    const int in_group = s.in_channels / s.groups, out_group = s.out_channels / s.groups;        \
    int c, oy, ox, i, ky, kx;                                                                    \
    for (c = 0; c < s.out_channels; ++c)                                                         \
      for (oy = 0; oy < s.out_height; ++oy)                                                      \
        for (ox = 0; ox < s.out_width; ++ox) {                                                   \
          const long at = ((long)c * s.out_height + oy) * s.out_width + ox;                      \
          int64_t sum = 0, added = offset ? offset[c] : 0;                                       \
          for (i = 0; i < in_group; ++i)                                                         \
            for (ky = 0; ky < s.kernel_height; ++ky)                                             \
              for (kx = 0; kx < s.kernel_width; ++kx) {                                          \
                const int iy = oy * s.stride_y - s.top + ky * s.dilation_y;                      \
                const int ix = ox * s.stride_x - s.left + kx * s.dilation_x;                     \
                if (iy < 0 || iy >= s.in_height || ix < 0 || ix >= s.in_width) continue;         \
                sum += (int64_t)weight[(((long)c * in_group + i) * s.kernel_height + ky) *       \
                                           s.kernel_width + kx] *                                \
                       x[(((long)(c / out_group) * in_group + i) * s.in_height + iy) *           \
                             s.in_width + ix];                                                   \
              }                                                                                  \
          if (other) added += (int64_t)other[at] * s.other_multiplier;                           \
          sum = @_truncated(sum, s.input_shift) * multiplier[s.multipliers == 1 ? 0 : c] +       \
                added * ((int64_t)1 << s.added_shift);                                           \
          y[at] = @_clipped(@_shifted(sum, s.fraction_bits), s.low, s.high);                     \
        }                                                                                        \
  }
)";

std::string with_prefix(std::string text, const std::string& prefix) {
  std::string out;
  for (const char c : text) {
    if (c == '@') {
      out += prefix;
    } else {
      out += c;
    }
  }
  return out;
}

bool is_identifier(const std::string& text) {
  const auto is_part = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
  };
  return !text.empty() && std::isdigit(static_cast<unsigned char>(text[0])) == 0 &&
         std::ranges::all_of(text, is_part);
}

class Writer {
 public:
  Writer(const Network& network, std::string prefix)
      : network_(network), prefix_(std::move(prefix)) {}

  std::string run() {
    std::string guard = prefix_;
    std::ranges::transform(guard, guard.begin(), [](char c) {
      return static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    });
    out_ = fmt::format(
        "/* Integer network '{}', generated by bitsweep. Codes are whole numbers; what they stand\n"
        "   for is code / scale, as stated at each buffer. Row-major: channel, row, column. */\n"
        "#ifndef {}_H\n#define {}_H\n#define {}_TRUNCATE {}\n",
        network_.name, guard, guard, prefix_,
        network_.settings.rounding == kernels::FixedRounding::truncate ? 1 : 0);
    out_ += with_prefix(kRunTime, prefix_);
    for (const Step& step : network_.steps) {
      std::visit([this](const auto& s) { write(s); }, step);
    }
    write_run();
    return out_ + "#endif\n";
  }

 private:
  // A C name for a step of the network.
  std::string name_of(const std::string& step) const {
    std::string out = prefix_ + "_";
    for (const char c : step) out += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
    return out;
  }

  const Tensor& tensor(TensorId id) const { return network_.tensor(id); }
  std::string buffer(TensorId id) const { return fmt::format("t{}", id); }

  template <class T>
  void array(const std::string& type, const std::string& name, const std::vector<T>& values) {
    out_ += fmt::format("static const {} {}[{}] = {{", type, name, values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      out_ += i % kNumbersPerLine == 0 ? "\n  " : " ";
      if constexpr (std::is_same_v<T, float>) {
        out_ += fmt::format("{:a}f,", values[i]);
      } else if (values[i] == std::numeric_limits<std::int32_t>::min()) {
        out_ += "(-2147483647 - 1),";  // -2147483648 is no C constant of 32 bits
      } else {
        out_ += fmt::format("{},", values[i]);
      }
    }
    out_ += "\n};\n";
  }

  std::string weights(const Weights& weights, const std::string& name) {
    const std::string type = weights.bits <= 8    ? "int8_t"
                             : weights.bits <= 16 ? "int16_t"
                                                  : "int32_t";
    array(type, name + "_weight", weights.codes);
    return type;
  }

  void heading(const std::string& step, TensorId input, TensorId output) {
    const Tensor& from = tensor(input);
    out_ += fmt::format("\n/* {}: codes {} to {} at scale {:.9g}", step, from.low, from.high,
                        from.scale);
    if (output != kNone) {
      const Tensor& to = tensor(output);
      out_ += fmt::format(" -> {} to {} at scale {:.9g}", to.low, to.high, to.scale);
    }
    out_ += ". */\n";
  }

  void write(const Layer& s) {
    const std::string name = name_of(s.name);
    const Tensor &in = tensor(s.input), &out = tensor(s.output);
    const graph::Convolution& c = s.shape;
    const Requantization& r = s.requantization;
    heading(s.name, s.input, s.output);
    const std::string type = weights(s.weights, name);
    array("int32_t", name + "_multiplier", r.multiplier);
    if (!r.offset.empty()) array("int32_t", name + "_offset", r.offset);
    out_ += fmt::format(
        "static const {}_layer {}_shape = {{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, "
        "{}, {}, {}, {}, {}, {}, {}, {}, {}}};\n",
        prefix_, name, in.shape.channels, in.shape.height, in.shape.width, out.shape.channels,
        out.shape.height, out.shape.width, c.kernel[0], c.kernel[1], c.stride[0], c.stride[1],
        c.padding.top, c.padding.left, c.dilation[0], c.dilation[1], c.groups, s.input_shift,
        r.multiplier.size(), r.fraction_bits, r.added_shift, r.other_multiplier, out.low, out.high);
    out_ += fmt::format("{}_LAYER({}, {}, {}_weight, {}_multiplier, {}, {}_shape)\n", prefix_, name,
                        type, name, name, r.offset.empty() ? "0" : name + "_offset", name);
    call(fmt::format("{}({}, {}, {})", name, buffer(s.input),
                     s.other == kNone ? "0" : buffer(s.other), buffer(s.output)));
  }

  void write(const Combination& s) {
    const std::string name = name_of(s.name) + "_combined";
    const Tensor& out = tensor(s.output);
    heading(s.name, s.inputs[0], s.output);
    for (std::size_t i = 0; i < s.multipliers.size(); ++i) {
      array("int32_t", fmt::format("{}_multiplier{}", name, i), s.multipliers[i]);
    }
    if (!s.offset.empty()) array("int32_t", name + "_offset", s.offset);
    std::string parameters, sum = s.offset.empty() ? "0" : name + "_offset[c]", arguments;
    for (std::size_t i = 0; i < s.inputs.size(); ++i) {
      parameters += fmt::format("const int32_t* x{}, ", i);
      sum += fmt::format(" + (int64_t)x{}[i] * {}_multiplier{}[{}]", i, name, i,
                         s.multipliers[i].size() == 1 ? "0" : "c");
      arguments += buffer(s.inputs[i]) + ", ";
    }
    out_ += fmt::format(
        "static void {}({}int32_t* y) {{\n"
        "  long i;\n"
        "  for (i = 0; i < {}; ++i) {{\n"
        "    const long c = i / {};\n"
        "    (void)c;\n"
        "    y[i] = {}_clipped({}_shifted({}, {}), {}, {});\n  }}\n}}\n",
        name, parameters, out.shape.elements(), out.shape.height * out.shape.width, prefix_,
        prefix_, sum, s.fraction_bits, out.low, out.high);
    call(fmt::format("{}({}{})", name, arguments, buffer(s.output)));
  }

  void write(const MeanPool& s) {
    const std::string name = name_of(s.name);
    const Tensor &in = tensor(s.input), &out = tensor(s.output);
    const std::int64_t window = in.shape.height * in.shape.width;
    heading(s.name, s.input, s.output);
    // Of the whole mean, document 002 rounds the multiple down.
    const std::string value =
        s.whole_mean
            ? fmt::format("(int64_t)floor(ldexp((double)(sum / {} * {}), -{}))", window,
                          s.multiplier, s.fraction_bits)
            : fmt::format("{}_shifted(sum * {}, {})", prefix_, s.multiplier, s.fraction_bits);
    out_ += fmt::format(
        "static void {}(const int32_t* x, int32_t* y) {{\n"
        "  long c, i;\n"
        "  for (c = 0; c < {}; ++c) {{\n"
        "    int64_t sum = 0;\n"
        "    for (i = 0; i < {}; ++i) sum += x[c * {} + i];\n"
        "    y[c] = {}_clipped({}, {}, {});\n  }}\n}}\n",
        name, in.shape.channels, window, window, prefix_, value, out.low, out.high);
    call(fmt::format("{}({}, {})", name, buffer(s.input), buffer(s.output)));
  }

  void write(const MaxPool& s) {
    const std::string name = name_of(s.name);
    const Tensor &in = tensor(s.input), &out = tensor(s.output);
    heading(s.name, s.input, s.output);
    out_ += fmt::format(
        "static void {}(const int32_t* x, int32_t* y) {{\n"
        "  long c, oy, ox, ky, kx;\n"
        "  for (c = 0; c < {}; ++c)\n    for (oy = 0; oy < {}; ++oy)\n"
        "      for (ox = 0; ox < {}; ++ox) {{\n"
        "        int32_t best = INT32_MIN;\n"
        "        for (ky = 0; ky < {}; ++ky)\n          for (kx = 0; kx < {}; ++kx) {{\n"
        "            const long iy = oy * {} - {} + ky, ix = ox * {} - {} + kx;\n"
        "            if (iy < 0 || iy >= {} || ix < 0 || ix >= {}) continue;\n"
        "            if (x[(c * {} + iy) * {} + ix] > best) best = x[(c * {} + iy) * {} + ix];\n"
        "          }}\n        y[(c * {} + oy) * {} + ox] = best;\n      }}\n}}\n",
        name, out.shape.channels, out.shape.height, out.shape.width, s.shape.kernel[0],
        s.shape.kernel[1], s.shape.stride[0], s.shape.padding.top, s.shape.stride[1],
        s.shape.padding.left, in.shape.height, in.shape.width, in.shape.height, in.shape.width,
        in.shape.height, in.shape.width, out.shape.height, out.shape.width);
    call(fmt::format("{}({}, {})", name, buffer(s.input), buffer(s.output)));
  }

  void write(const ShortcutPad& s) {
    const std::string name = name_of(s.name);
    const Tensor &in = tensor(s.input), &out = tensor(s.output);
    heading(s.name, s.input, s.output);
    out_ += fmt::format(
        "static void {}(const int32_t* x, int32_t* y) {{\n"
        "  long c, r, k;\n"
        "  for (c = 0; c < {}; ++c)\n    for (r = 0; r < {}; ++r)\n"
        "      for (k = 0; k < {}; ++k) {{\n        const long from = c - {};\n"
        "        y[(c * {} + r) * {} + k] =\n"
        "            from < 0 || from >= {} ? 0 : x[(from * {} + r * {}) * {} + k * {}];\n"
        "      }}\n}}\n",
        name, out.shape.channels, out.shape.height, out.shape.width, s.shape.channels_before,
        out.shape.height, out.shape.width, in.shape.channels, in.shape.height, s.shape.stride,
        in.shape.width, s.shape.stride);
    call(fmt::format("{}({}, {})", name, buffer(s.input), buffer(s.output)));
  }

  void write(const Classifier& s) {
    const std::string name = name_of(s.name);
    heading(s.name, s.input, kNone);
    weights(s.weights, name);
    array("float", name + "_bias", s.bias);
    out_ += fmt::format(
        "static void {}(const int32_t* x, float* logits) {{\n"
        "  long k, i;\n"
        "  for (k = 0; k < {}; ++k) {{\n"
        "    int64_t sum = 0;\n"
        "    for (i = 0; i < {}; ++i) sum += (int64_t){}_weight[k * {} + i] * x[i];\n"
        "    logits[k] = (float)((double)sum / {:a}) + {}_bias[k];\n  }}\n}}\n",
        name, s.out_features, s.in_features, name, s.in_features,
        tensor(s.input).scale * s.weights.scale, name);
    call(fmt::format("{}({}, logits)", name, buffer(s.input)));
  }

  void call(const std::string& text) { calls_ += "  " + text + ";\n"; }

  void write_run() {
    const Tensor& input = network_.input();
    out_ += fmt::format("\n/* image: {} normalised values; logits: {}. Not reentrant. */\n",
                        input.shape.elements(), network_.num_classes());
    out_ += fmt::format("static void {}_run(const float* image, float* logits) {{\n", prefix_);
    for (std::size_t i = 0; i < network_.tensors.size(); ++i) {
      out_ += fmt::format("  static int32_t t{}[{}]; /* {}, scale {:.9g} */\n", i,
                          network_.tensors[i].shape.elements(), network_.tensors[i].name,
                          network_.tensors[i].scale);
    }
    out_ += fmt::format(
        "  long i;\n"
        "  for (i = 0; i < {}; ++i) {{\n"
        "    const double code = rint((double)image[i] * {:a});\n"
        "    t0[i] = code != code ? 0 : code < {} ? {} : code > {} ? {} : (int32_t)code;\n  }}\n",
        input.shape.elements(), input.scale, input.low, input.low, input.high, input.high);
    out_ += calls_ + "}\n";
  }

  const Network& network_;
  const std::string prefix_;
  std::string out_;
  std::string calls_;
};

}  // namespace

std::string c_header(const Network& network, const std::string& prefix) {
  if (!is_identifier(prefix)) {
    throw ConfigError(
        fmt::format("'{}' is no C identifier, which a header's prefix must be", prefix));
  }
  return Writer(network, prefix).run();
}

}  // namespace bitsweep::integer
