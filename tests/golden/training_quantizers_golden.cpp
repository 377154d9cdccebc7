// Quantizers of training and their gradients: document 002, DoReFa and PACT as published, learned
// scales (torch), scales that follow the weights (Brevitas).
#include "core/error.h"
#include "golden.h"
#include "kernels/clamp_quantize.h"
#include "kernels/fake_quantize.h"
#include "kernels/gradient_quantizer.h"
#include "kernels/learned_scale.h"
#include "kernels/min_max.h"
#include "kernels/weight_quantizer.h"

namespace bitsweep::golden {
namespace {

using kernels::AffineGrid;
using kernels::ChannelLayout;
using kernels::ClampQuantizer;
using kernels::ClampQuantizerKind;
using kernels::Rounding;
using kernels::WeightQuantizer;
using kernels::WeightQuantizerKind;

constexpr int kUnquantized = 32;  // bits that stand for no quantization

std::int64_t size(const std::vector<float>& x) { return static_cast<std::int64_t>(x.size()); }

// [1, axis 0, rest]: weights per output channel, gradients per sample.
ChannelLayout along_first_axis(const Array& x) {
  const std::int64_t first = x.shape.at(0);
  return {1, first, first == 0 ? 0 : static_cast<std::int64_t>(x.data.size()) / first};
}

std::vector<std::int32_t> codes_on(const std::vector<float>& x, const ChannelLayout& layout,
                                   const std::vector<AffineGrid>& grids) {
  std::vector<std::int32_t> codes(x.size());
  kernels::quantize_cpu(x.data(), codes.data(), layout, grids.data());
  return codes;
}

std::vector<float> fake_quantized(const std::vector<float>& x, const ChannelLayout& layout,
                                  const std::vector<AffineGrid>& grids, Rounding rounding) {
  std::vector<float> y(x.size());
  kernels::fake_quantize_cpu(x.data(), y.data(), nullptr, layout, grids.data(), rounding);
  return y;
}

// ---- Weights normalised by tanh. ----

Json quantized_weights(const Case& golden, WeightQuantizerKind kind) {
  const Array array = golden.input("w");
  const std::vector<float> w = array.floats();
  const bool has_gradient = golden.inputs.contains("grad_out");
  std::vector<float> grad(w.size());
  if (has_gradient) grad = golden.input("grad_out").floats();

  const WeightQuantizer quantizer{kind, golden.get<int>("bits")};
  if (quantizer.bits == kUnquantized)
    return {{"w_q", pack(w, array.shape)}, {"grad_w", pack(grad, array.shape)}};
  std::vector<float> w_q(w.size());
  std::vector<double> tanh_w(w.size());
  std::vector<std::int32_t> codes(w.size());
  kernels::WeightQuantizerState state;
  kernels::quantize_weights_cpu(w.data(), w_q.data(), tanh_w.data(), size(w), quantizer, &state);
  kernels::weight_codes_cpu(tanh_w.data(), codes.data(), size(w), quantizer, state);
  kernels::quantize_weights_backward_cpu(w.data(), tanh_w.data(), grad.data(), grad.data(), size(w),
                                         quantizer, state);
  Json answer{{"w_q", pack(w_q, array.shape)}, {"codes", pack(codes, array.shape)}};
  if (has_gradient) answer["grad_w"] = pack(grad, array.shape);
  return answer;
}

Json document002_weights(const Case& golden) {
  return quantized_weights(golden, WeightQuantizerKind::tanh_symmetric);
}

Json dorefa_weights(const Case& golden) {
  return quantized_weights(golden, WeightQuantizerKind::dorefa);
}

// ---- Activations that are clamped. ----

ClampQuantizer clamp_quantizer(const Case& golden) {
  const int bits = golden.get<int>("bits");
  if (bits == kUnquantized) return {};
  if (golden.kind == "dorefa_act") return {ClampQuantizerKind::dorefa_clamp, bits};
  if (golden.kind == "dorefa_clamp")
    return {ClampQuantizerKind::dorefa_clamp, bits, golden.get<float>("factor")};
  if (golden.kind == "pact_fixed")
    return {ClampQuantizerKind::pact_fixed, bits, 1.0f, golden.get<float>("scale")};
  if (golden.kind == "mpact") return {ClampQuantizerKind::mpact, bits};
  return {ClampQuantizerKind::pact, bits};
}

Json clamped_activations(const Case& golden) {
  const Array array = golden.input("x");
  const std::vector<float> x = array.floats();
  std::vector<float> y(x.size()), grad = golden.input("grad_out").floats();
  std::vector<std::int32_t> codes(x.size());
  const ClampQuantizer quantizer = clamp_quantizer(golden);
  const float alpha = quantizer.learns() ? golden.get<float>("alpha") : 0.0f;
  kernels::clamp_quantize_cpu(x.data(), y.data(), codes.data(), size(x), quantizer, alpha);
  double grad_alpha = 0.0;
  kernels::clamp_quantize_backward_cpu(x.data(), grad.data(), grad.data(), size(x), quantizer,
                                       alpha, &grad_alpha);
  return {{"y", pack(y, array.shape)},
          {"codes", pack(codes, array.shape)},
          {"grad_x", pack(grad, array.shape)},
          {"grad_alpha", grad_alpha}};
}

Json alpha_penalty(const Case& golden) {
  const Array array = golden.input("alphas");
  const std::vector<float> alphas = array.floats();
  std::vector<double> grad(alphas.size());
  const double loss = kernels::alpha_penalty(alphas.data(), size(alphas),
                                             golden.get<double>("lambda"), grad.data());
  return {{"loss", loss}, {"grad_alpha", pack(grad, array.shape)}};
}

// ---- Gradients. ----

Json dorefa_gradients(const Case& golden) {
  const Array array = golden.input("g");
  const std::vector<float> g = array.floats(), noise = golden.input("noise").floats();
  const ChannelLayout layout = along_first_axis(array);
  std::vector<kernels::MinMax> extremes(static_cast<std::size_t>(layout.channels));
  kernels::min_max_cpu(g.data(), layout, extremes.data());
  const auto quantized = [&](bool clips) {
    std::vector<float> g_q(g.size());
    kernels::quantize_gradients_cpu(g.data(), g_q.data(), noise.data(), layout, extremes.data(),
                                    {golden.get<int>("bits"), clips});
    return pack(g_q, array.shape);
  };
  return {{"g_q_clipped", quantized(true)}, {"g_q_unclipped", quantized(false)}};
}

// ---- Scales that learn. ----

// [outer, axis, inner]; the whole tensor without an axis.
ChannelLayout layout_of(const Case& golden, const Array& x) {
  if (!golden.has("axis")) return kernels::whole_tensor(static_cast<std::int64_t>(x.data.size()));
  const auto axis = golden.get<std::size_t>("axis");
  if (axis >= x.shape.size())
    throw DataError(fmt::format("axis {} of {} axes", axis, x.shape.size()));
  ChannelLayout layout{1, x.shape[axis], 1};
  for (std::size_t i = 0; i < axis; ++i) layout.outer *= x.shape[i];
  for (std::size_t i = axis + 1; i < x.shape.size(); ++i) layout.inner *= x.shape[i];
  return layout;
}

Json torch_learnable(const Case& golden) {
  const Array array = golden.input("x"), scale = golden.param("scale"),
              zero_point = golden.param("zero_point");
  const std::vector<float> x = array.floats();
  const ChannelLayout layout = layout_of(golden, array);
  const auto channels = static_cast<std::size_t>(layout.channels);
  std::vector<AffineGrid> grids;
  for (std::size_t c = 0; c < channels; ++c)
    grids.push_back({static_cast<float>(scale.data.at(c)),
                     static_cast<float>(zero_point.data.at(zero_point.data.size() == 1 ? 0 : c)),
                     golden.get<int>("quant_min"), golden.get<int>("quant_max")});
  std::vector<float> grad = golden.input("grad_out").floats();
  std::vector<double> grad_scale(channels), grad_zero_point(channels);
  const std::vector<float> y = fake_quantized(x, layout, grids, kernels::kTorchRounding);
  kernels::learned_scale_backward_cpu(x.data(), grad.data(), grad.data(), layout, grids.data(),
                                      kernels::kTorchRounding, golden.get<double>("grad_factor"),
                                      grad_scale.data(), grad_zero_point.data());
  const auto as_scale = [&](const std::vector<double>& values) {
    return scale.shape.empty() ? Json(values[0]) : pack(values, scale.shape);
  };
  return {{"y", pack(y, array.shape)},
          {"grad_x", pack(grad, array.shape)},
          {"grad_scale", as_scale(grad_scale)},
          {"grad_zero_point", as_scale(grad_zero_point)}};
}

Json brevitas_weights(const Case& golden) {
  const Array array = golden.input("w");
  const std::vector<float> w = array.floats();
  const ChannelLayout layout =
      golden.kind == "weight_channel" ? along_first_axis(array) : kernels::whole_tensor(size(w));
  std::vector<AffineGrid> grids(static_cast<std::size_t>(layout.channels));
  std::vector<kernels::MaxAbs> max_abs(grids.size());
  kernels::max_abs_grids_cpu(w.data(), layout, golden.get<int>("bits"), max_abs.data(),
                             grids.data());
  std::vector<float> grad = golden.input("grad_out").floats(), scales;
  kernels::max_abs_backward_cpu(w.data(), grad.data(), grad.data(), layout, max_abs.data(),
                                grids.data());
  for (const AffineGrid& grid : grids) scales.push_back(grid.scale);
  return {{"scale", pack(scales, {layout.channels})},
          {"codes", pack(codes_on(w, layout, grids), array.shape)},
          {"y", pack(fake_quantized(w, layout, grids, {}), array.shape)},
          {"grad_w", pack(grad, array.shape)}};
}

// The parameter is the clipping threshold: `steps` steps.
Json brevitas_activations(const Case& golden) {
  const Array array = golden.input("x");
  const std::vector<float> x = array.floats();
  const int bits = golden.get<int>("bits");
  const bool is_signed = golden.kind == "act_signed";
  const int steps = is_signed ? 1 << (bits - 1) : (1 << bits) - 1;
  const AffineGrid grid{golden.get<float>("scale_parameter") / static_cast<float>(steps), 0.0f,
                        is_signed ? -steps : 0, is_signed ? steps - 1 : steps};
  const ChannelLayout layout = kernels::whole_tensor(size(x));
  std::vector<float> grad = golden.input("grad_out").floats();
  double grad_parameter = 0.0;
  kernels::learned_scale_backward_cpu(x.data(), grad.data(), grad.data(), layout, &grid, {},
                                      1.0 / steps, &grad_parameter, nullptr);
  return {{"step", grid.scale},
          {"codes", pack(codes_on(x, layout, {grid}), array.shape)},
          {"y", pack(fake_quantized(x, layout, {grid}, {}), array.shape)},
          {"grad_x", pack(grad, array.shape)},
          {"grad_scale_parameter", grad_parameter}};
}

}  // namespace

void register_training_quantizers(Handlers& handlers) {
  handlers.add({"doc002_weight_quantizer", {""}, nullptr, document002_weights});
  handlers.add({"doc002_activation_quantizers",
                {"dorefa_clamp", "pact_fixed", "pact_unsigned", "mpact"},
                nullptr,
                clamped_activations});
  handlers.add({"doc002_activation_quantizers", {"alpha_penalty"}, nullptr, alpha_penalty});
  handlers.add({"published_dorefa_pact", {"dorefa_weight"}, nullptr, dorefa_weights});
  handlers.add({"published_dorefa_pact", {"dorefa_act", "pact"}, nullptr, clamped_activations});
  handlers.add({"published_dorefa_pact", {"dorefa_grad"}, nullptr, dorefa_gradients});
  handlers.add({"torch_learnable_fake_quantize", {"tensor", "channel"}, nullptr, torch_learnable});
  handlers.add(
      {"brevitas_quantizers", {"weight_tensor", "weight_channel"}, nullptr, brevitas_weights});
  handlers.add(
      {"brevitas_quantizers", {"act_unsigned", "act_signed"}, nullptr, brevitas_activations});
}

}  // namespace bitsweep::golden
