// Recomputes every example of docs/numerics.md.
#include "numerics_page.h"

#include <algorithm>
#include <bit>
#include <catch2/catch_test_macros.hpp>
#include <map>

#include "cases.h"
#include "fused_problem.h"
#include "kernels/clamp_quantize.h"
#include "kernels/fused_layer.h"
#include "kernels/gradient_quantizer.h"
#include "kernels/learned_scale.h"
#include "kernels/min_max.h"
#include "kernels/optimizer.h"
#include "kernels/range_math.h"
#include "kernels/softmax_loss.h"
#include "kernels/weight_quantizer.h"

using namespace bitsweep::kernels;
using namespace bitsweep::kernels::testing;
using bitsweep::testing::examples;
using bitsweep::testing::number;
using bitsweep::testing::numbers;
using bitsweep::testing::Row;

namespace {

// "-8…7"
std::pair<int, int> codes(const std::string& text) {
  const auto dots = text.find("…");
  REQUIRE(dots != std::string::npos);
  return {std::stoi(text.substr(0, dots)), std::stoi(text.substr(dots + 3))};
}

// As a page with six decimals writes it: half of the last digit, and float32 inputs.
void check_six_decimals(const std::vector<float>& computed, const std::vector<float>& written) {
  REQUIRE(computed.size() == written.size());
  for (std::size_t i = 0; i < computed.size(); ++i) {
    CAPTURE(i, computed[i], written[i]);
    CHECK(std::abs(computed[i] - written[i]) < 0.6e-6f);
  }
}

std::vector<std::int32_t> whole_numbers(const std::string& text) {
  std::vector<std::int32_t> out;
  for (const float v : numbers(text)) out.push_back(static_cast<std::int32_t>(v));
  return out;
}

Rounding rounding(const std::string& text) {
  static const std::map<std::string, Rounding> known{
      {"default", {}},
      {"reciprocal", {.scaling = Scaling::reciprocal}},
      {"away", {.ties = Ties::away}},
      {"before", {.zero_point = ZeroPointOrder::before_rounding}},
      {"away, before", {.ties = Ties::away, .zero_point = ZeroPointOrder::before_rounding}},
  };
  INFO("rounding '" << text << "'");
  REQUIRE(known.contains(text));
  return known.at(text);
}

ClampQuantizer clamp_quantizer(const Row& row) {
  static const std::map<std::string, ClampQuantizerKind> kinds{
      {"dorefa_clamp", ClampQuantizerKind::dorefa_clamp},
      {"pact_fixed", ClampQuantizerKind::pact_fixed},
      {"pact", ClampQuantizerKind::pact},
      {"mpact", ClampQuantizerKind::mpact}};
  REQUIRE(kinds.contains(row.at("clamp")));
  const float parameter = number(row.at("parameter"));
  return {kinds.at(row.at("clamp")), std::stoi(row.at("bits")), parameter, parameter};
}

// One channel.
FusedLayer fused_layer(std::size_t rows, const std::string& nonlinearity) {
  static const std::map<std::string, NonlinearityParams> known{
      {"identity", kIdentity},
      {"relu", kRelu},
      {"relu6", kRelu6},
      {"hard_swish", kHardSwish},
      {"hard_sigmoid", kHardSigmoid},
      {"hard_sigmoid_fifth", kHardSigmoidFifth}};
  INFO("nonlinearity '" << nonlinearity << "'");
  REQUIRE(known.contains(nonlinearity));
  FusedLayer out;
  out.rows = static_cast<std::int64_t>(rows);
  out.channels = 1;
  out.nonlinearity = known.at(nonlinearity);
  return out;
}

AffineGrid grid_by_rule(const std::string& rule, float lower, float upper, int bits) {
  const RealRange real{lower, upper - lower};
  const float largest = std::max(std::abs(lower), std::abs(upper));
  const std::int32_t half = bits > 0 ? 1 << (bits - 1) : 0;
  if (rule == "affine") return affine_grid(real, bits);
  if (rule == "anchored") return anchored_affine_grid(real, bits);
  if (rule == "symmetric narrow") return symmetric_grid(largest, bits, SymmetricCodes::narrow);
  if (rule == "symmetric full") return symmetric_grid(largest, bits, SymmetricCodes::full);
  if (rule == "constant") return constant_grid(lower);
  if (rule == "torch affine") return torch_affine_grid(lower, upper, 0, (1 << bits) - 1);
  if (rule == "torch symmetric") return torch_symmetric_grid(lower, upper, -half, half - 1, 0.0f);
  if (rule == "onnx dynamic") return onnx_dynamic_grid(lower, upper);
  FAIL("unknown rule '" << rule << "'");
  return {};
}

}  // namespace

TEST_CASE("every fake quantization on the numerics page comes out as written", "[kernels][page]") {
  const auto all = examples("x");
  CHECK(all.size() >= 25);
  for (const auto& [line, row] : all) {
    CAPTURE(line);
    const auto [qmin, qmax] = codes(row.at("codes"));
    const AffineGrid grid{number(row.at("scale")), number(row.at("zero point")), qmin, qmax};
    const float x = number(row.at("x"));
    const auto result = fake_quantize({x}, grid, rounding(row.at("rounding")));
    std::int32_t code = 0;
    quantize_cpu(&x, &code, whole_tensor(1), &grid, rounding(row.at("rounding")));
    CHECK(code == std::stoi(row.at("code")));
    // Bits, so that −0 differs from 0.
    CHECK(std::bit_cast<std::uint32_t>(result.y[0]) ==
          std::bit_cast<std::uint32_t>(number(row.at("y"))));
    CHECK((passes(result, 0) ? "passes" : "blocked") == row.at("gradient"));
  }
}

TEST_CASE("every grid on the numerics page follows from its range", "[kernels][page]") {
  const auto all = examples("rule");
  CHECK(all.size() >= 18);
  for (const auto& [line, row] : all) {
    CAPTURE(line);
    const AffineGrid grid = grid_by_rule(row.at("rule"), number(row.at("lower")),
                                         number(row.at("upper")), std::stoi(row.at("bits")));
    CHECK(grid.scale == number(row.at("scale")));
    CHECK(grid.zero_point == number(row.at("zero point")));
    CHECK(std::pair<int, int>(grid.qmin, grid.qmax) == codes(row.at("codes")));
    CHECK(grid.origin == number(row.at("origin")));
  }
}

TEST_CASE("every optimizer step on the numerics page comes out as written", "[kernels][page]") {
  const auto sgd_steps = examples("optimizer");
  CHECK(sgd_steps.size() >= 5);
  for (const auto& [line, row] : sgd_steps) {
    CAPTURE(line);
    const bool nesterov = row.at("optimizer") == "nesterov";
    CHECK((nesterov || row.at("optimizer") == "sgd"));
    float p = number(row.at("p")), m = number(row.at("m"));
    const float g = number(row.at("g")), lr = number(row.at("lr"));
    sgd_step_cpu(&p, &m, &g, 1,
                 {.momentum = number(row.at("momentum")),
                  .weight_decay = number(row.at("decay")),
                  .nesterov = nesterov},
                 &lr);
    CHECK(m == number(row.at("new m")));
    CHECK(p == number(row.at("new p")));
  }
  const auto adam_steps = examples("t");
  CHECK(adam_steps.size() >= 4);
  for (const auto& [line, row] : adam_steps) {
    CAPTURE(line);
    float p = number(row.at("p")), m = number(row.at("m")), v = number(row.at("v"));
    const float g = number(row.at("g")), lr = number(row.at("lr"));
    const std::int64_t step = std::stoll(row.at("t"));
    adam_step_cpu(&p, &m, &v, &g, 1,
                  {.beta1 = std::stod(row.at("beta1")),
                   .beta2 = std::stod(row.at("beta2")),
                   .weight_decay = std::stod(row.at("decay"))},
                  &lr, &step);
    CHECK(m == number(row.at("new m")));
    CHECK(v == number(row.at("new v")));
    CHECK(p == number(row.at("new p")));
  }
}

TEST_CASE("every loss on the numerics page comes out as written", "[kernels][page]") {
  const auto all = examples("logits");
  CHECK(all.size() >= 6);
  constexpr double kSixDecimals = 0.6e-6;  // half of the last digit written, and float32 logits
  for (const auto& [line, row] : all) {
    CAPTURE(line);
    const auto logits = numbers(row.at("logits"));
    const auto expected = numbers(row.at("gradient"));
    const std::int32_t label = std::stoi(row.at("label"));
    std::vector<float> gradient(logits.size());
    REQUIRE(expected.size() == logits.size());
    LossSum sum{};
    softmax_loss_cpu(logits.data(), &label, 1, static_cast<std::int64_t>(logits.size()),
                     std::stod(row.at("smoothing")), gradient.data(), &sum);
    CHECK(std::abs(sum.loss - std::stod(row.at("loss"))) < kSixDecimals);
    CHECK((sum.correct == 1 ? "yes" : "no") == row.at("right"));
    for (std::size_t k = 0; k < logits.size(); ++k)
      CHECK(std::abs(gradient[k] - expected[k]) < kSixDecimals);
  }
}

TEST_CASE("every quantized weight on the numerics page comes out as written", "[kernels][page]") {
  const auto all = examples("weights");
  CHECK(all.size() >= 10);
  for (const auto& [line, row] : all) {
    CAPTURE(line);
    const bool dorefa = row.at("quantizer") == "DoReFa";
    CHECK((dorefa || row.at("quantizer") == "document 002"));
    const WeightQuantizer quantizer{
        dorefa ? WeightQuantizerKind::dorefa : WeightQuantizerKind::tanh_symmetric,
        std::stoi(row.at("bits"))};
    const auto w = numbers(row.at("weights"));
    const auto n = static_cast<std::int64_t>(w.size());
    auto gradient = numbers(row.at("arriving"));
    REQUIRE(gradient.size() == w.size());
    std::vector<float> w_q(w.size());
    std::vector<double> tanh_w(w.size());
    std::vector<std::int32_t> code(w.size());
    WeightQuantizerState state;
    quantize_weights_cpu(w.data(), w_q.data(), tanh_w.data(), n, quantizer, &state);
    weight_codes_cpu(tanh_w.data(), code.data(), n, quantizer, state);
    quantize_weights_backward_cpu(w.data(), tanh_w.data(), gradient.data(), gradient.data(), n,
                                  quantizer, state);
    CHECK(code == whole_numbers(row.at("codes")));
    check_six_decimals(w_q, numbers(row.at("w_q")));
    check_six_decimals(gradient, numbers(row.at("gradient")));
  }
}

TEST_CASE("every clamped activation on the numerics page comes out as written", "[kernels][page]") {
  const auto all = examples("clamp");
  CHECK(all.size() >= 6);
  for (const auto& [line, row] : all) {
    CAPTURE(line);
    const float parameter = number(row.at("parameter"));
    const ClampQuantizer quantizer = clamp_quantizer(row);
    const auto x = numbers(row.at("x"));
    const auto n = static_cast<std::int64_t>(x.size());
    auto gradient = numbers(row.at("arriving"));
    REQUIRE(gradient.size() == x.size());
    std::vector<float> y(x.size());
    std::vector<std::int32_t> code(x.size());
    double of_alpha = 0.0;
    clamp_quantize_cpu(x.data(), y.data(), code.data(), n, quantizer, parameter);
    clamp_quantize_backward_cpu(x.data(), gradient.data(), gradient.data(), n, quantizer, parameter,
                                &of_alpha);
    CHECK(code == whole_numbers(row.at("codes")));
    check_six_decimals(y, numbers(row.at("y")));
    check_six_decimals(gradient, numbers(row.at("gradient")));
    CHECK(of_alpha == std::stod(row.at("of α")));
  }
}

TEST_CASE("every batch norm on the numerics page comes out as written", "[kernels][page]") {
  const auto all = examples("norm x");
  CHECK(all.size() >= 4);
  for (const auto& [line, row] : all) {
    CAPTURE(line);
    const auto x = numbers(row.at("norm x")), arriving = numbers(row.at("arriving"));
    REQUIRE(arriving.size() == x.size());
    const FusedLayer layer = fused_layer(x.size(), "identity");
    const float gamma = number(row.at("gamma")), beta = number(row.at("beta"));
    float pivot, mean = 0, variance = 1;
    NormSums sums;
    NormAffine affine;
    norm_pivots_cpu(layer, x.data(), &pivot);
    norm_sums_cpu(layer, x.data(), &pivot, &sums, {0, 1});
    norm_finish_cpu(layer, &sums, &pivot,
                    {&gamma, &beta, &mean, &variance, std::stod(row.at("eps"))}, 0.1, &affine);
    std::vector<float> y(x.size()), gradient(x.size());
    fused_forward_cpu(layer, x.data(), &affine, nullptr, y.data(), {0, 1});
    check_six_decimals(y, numbers(row.at("y")));
    CHECK(mean == number(row.at("running mean")));
    check_six_decimals({variance}, {number(row.at("running var"))});

    GradientSums gradient_sums;
    NormGradient norm;
    float of_gamma, of_beta;
    const ArrivingGradient g{arriving.data()};
    fused_backward_sums_cpu(layer, x.data(), &affine, nullptr, g, &gradient_sums, nullptr, nullptr,
                            {0, 1});
    norm_gradient_finish_cpu(layer, &gradient_sums, &affine, &gamma, true, &of_gamma, &of_beta,
                             &norm);
    norm_backward_cpu(layer, x.data(), &affine, &norm, nullptr, g, nullptr, gradient.data(),
                      {0, 1});
    check_six_decimals(gradient, numbers(row.at("gradient")));
    CHECK(of_gamma == number(row.at("of gamma")));
    CHECK(of_beta == number(row.at("of beta")));
  }
}

TEST_CASE("every nonlinearity on the numerics page comes out as written", "[kernels][page]") {
  const auto all = examples("u");
  CHECK(all.size() >= 4);
  for (const auto& [line, row] : all) {
    CAPTURE(line);
    const auto u = numbers(row.at("u"));
    const FusedLayer layer = fused_layer(u.size(), row.at("nonlinearity"));
    const std::vector<float> ones(u.size(), 1.0f);
    std::vector<float> y(u.size()), slope(u.size());
    fused_forward_cpu(layer, u.data(), nullptr, nullptr, y.data(), {0, 1});
    fused_backward_sums_cpu(layer, u.data(), nullptr, nullptr, {ones.data()}, nullptr, nullptr,
                            slope.data(), {0, 1});
    check_six_decimals(y, numbers(row.at("y")));
    check_six_decimals(slope, numbers(row.at("slope")));
  }
}

TEST_CASE("every quantized sum on the numerics page comes out as written", "[kernels][page]") {
  const auto all = examples("fused x");
  CHECK(all.size() >= 2);
  for (const auto& [line, row] : all) {
    CAPTURE(line);
    const auto x = numbers(row.at("fused x")), other = numbers(row.at("other"));
    auto gradient = numbers(row.at("arriving"));
    REQUIRE(other.size() == x.size());
    REQUIRE(gradient.size() == x.size());
    FusedLayer layer = fused_layer(x.size(), row.at("nonlinearity"));
    layer.quantizer = clamp_quantizer(row);
    const float alpha = number(row.at("parameter"));
    layer.alpha = &alpha;
    std::vector<float> y(x.size());
    double of_alpha = 0.0;
    fused_forward_cpu(layer, x.data(), nullptr, other.data(), y.data(), {0, 1});
    fused_backward_sums_cpu(layer, x.data(), nullptr, other.data(), {gradient.data()}, nullptr,
                            &of_alpha, gradient.data(), {0, 1});
    check_six_decimals(y, numbers(row.at("y")));
    check_six_decimals(gradient, numbers(row.at("gradient")));
    CHECK(of_alpha == std::stod(row.at("of α")));
  }
}

TEST_CASE("every bfloat16 on the numerics page comes out as written", "[kernels][page]") {
  const auto all = examples("float32");
  CHECK(all.size() >= 7);
  for (const auto& [line, row] : all) {
    CAPTURE(line);
    BFloat16 rounded;
    from_float(number(row.at("float32")), rounded);
    CHECK(same_numbers({to_float(rounded)}, {number(row.at("bfloat16"))}));
  }
}

TEST_CASE("every learned scale on the numerics page has the gradient that is written",
          "[kernels][page]") {
  const auto all = examples("learned x");
  CHECK(all.size() >= 5);
  for (const auto& [line, row] : all) {
    CAPTURE(line);
    const auto [qmin, qmax] = codes(row.at("codes"));
    const AffineGrid grid{number(row.at("scale")), number(row.at("zero point")), qmin, qmax};
    const float x = number(row.at("learned x"));
    float of_x = 1.0f;
    double of_scale = 0.0, of_zero_point = 0.0;
    learned_scale_backward_cpu(&x, &of_x, &of_x, whole_tensor(1), &grid, {}, 1.0, &of_scale,
                               &of_zero_point);
    CHECK(fake_quantize({x}, grid).y[0] == number(row.at("y")));
    check_six_decimals(
        {of_x, static_cast<float>(of_scale), static_cast<float>(of_zero_point)},
        {number(row.at("of x")), number(row.at("of scale")), number(row.at("of zero point"))});
  }
}

TEST_CASE("every max-abs weight on the numerics page comes out as written", "[kernels][page]") {
  const auto all = examples("max-abs weights");
  CHECK(all.size() >= 2);
  for (const auto& [line, row] : all) {
    CAPTURE(line);
    const auto w = numbers(row.at("max-abs weights"));
    const ChannelLayout layout = whole_tensor(static_cast<std::int64_t>(w.size()));
    auto gradient = numbers(row.at("arriving"));
    REQUIRE(gradient.size() == w.size());
    MaxAbs max_abs;
    AffineGrid grid;
    max_abs_grids_cpu(w.data(), layout, std::stoi(row.at("bits")), &max_abs, &grid);
    max_abs_backward_cpu(w.data(), gradient.data(), gradient.data(), layout, &max_abs, &grid);
    CHECK(grid.scale == number(row.at("scale")));
    check_six_decimals(fake_quantize(w, grid).y, numbers(row.at("y")));
    check_six_decimals(gradient, numbers(row.at("gradient")));
  }
}

TEST_CASE("every quantized gradient on the numerics page comes out as written", "[kernels][page]") {
  const auto all = examples("sample");
  CHECK(all.size() >= 5);
  for (const auto& [line, row] : all) {
    CAPTURE(line);
    const auto g = numbers(row.at("sample")), noise = numbers(row.at("noise"));
    const auto n = static_cast<std::int64_t>(g.size());
    REQUIRE(noise.size() == g.size());
    CHECK((row.at("clipped") == "yes" || row.at("clipped") == "no"));
    const MinMax extremes = min_max_cpu(g.data(), n);
    std::vector<float> g_q(g.size());
    quantize_gradients_cpu(g.data(), g_q.data(), noise.data(), whole_tensor(n), &extremes,
                           {std::stoi(row.at("bits")), row.at("clipped") == "yes"});
    check_six_decimals(g_q, numbers(row.at("g_q")));
  }
}
