// The refinements of document 004 by themselves: clipping constants, bit allocation, bias
// correction.
#include <cmath>

#include "core/error.h"
#include "document004.h"
#include "quant/bias_correction.h"
#include "quant/bit_allocation.h"
#include "quant/clipping_noise.h"

namespace bitsweep::golden {
namespace {

using quant::Prior;

template <class T>
T input_number(const Case& golden, const char* name) {
  if (!golden.inputs.contains(name)) throw DataError(fmt::format("no input {}", name));
  return golden.inputs.at(name).get<T>();
}

Json published(Prior prior, int bits, bool one_sided) {
  const auto constant = quant::published_clipping(prior, bits, one_sided);
  return constant ? Json(*constant) : Json("none");
}

Json constants_of_bits(const Case& golden) {
  const int bits = input_number<int>(golden, "bits");
  const double levels = std::ldexp(1.0, bits);
  Json answer;
  for (const auto& [prior, name, unit] :
       {std::tuple{Prior::laplace, "laplace", "b"}, std::tuple{Prior::gauss, "gauss", "sigma"}}) {
    const double alpha = quant::optimal_clipping(prior, levels);
    const double one_sided = quant::one_sided_optimal_clipping(prior, levels);
    answer[fmt::format("{}_alpha_over_{}", name, unit)] = alpha;
    answer[fmt::format("{}_mse_over_{}2", name, unit)] = quant::clipping_mse(prior, alpha, levels);
    answer[fmt::format("{}_one_sided_alpha_over_{}", name, unit)] = one_sided;
    answer[fmt::format("{}_one_sided_mse_over_{}2", name, unit)] =
        quant::one_sided_clipping_mse(prior, one_sided, levels);
  }
  answer["peer_code_constants"] = {{"laplace", published(Prior::laplace, bits, false)},
                                   {"laplace_positive", published(Prior::laplace, bits, true)},
                                   {"gaus", published(Prior::gauss, bits, false)},
                                   {"gaus_positive", published(Prior::gauss, bits, true)}};
  return answer;
}

Json scaled(const Case& golden) {
  const double levels = std::ldexp(1.0, golden.get<int>("bits"));
  return {{"laplace_alpha",
           input_number<double>(golden, "b") * quant::optimal_clipping(Prior::laplace, levels)},
          {"gauss_alpha",
           input_number<double>(golden, "sigma") * quant::optimal_clipping(Prior::gauss, levels)}};
}

// The peer interpolates a table of the same optimum: `peer_interpolated` is to be near it.
Json real_levels(const Case& golden) {
  const double levels = input_number<double>(golden, "omega");
  const double two_sided = quant::optimal_clipping(Prior::laplace, levels);
  const double one_sided = quant::one_sided_optimal_clipping(Prior::laplace, levels);
  return {{"alpha_over_b", two_sided},
          {"alpha_over_b_one_sided", one_sided},
          {"peer_interpolated", two_sided},
          {"peer_interpolated_one_sided", one_sided}};
}

Json mse_of_grid(const Case& golden) {
  const Prior prior =
      input_number<std::string>(golden, "prior") == "laplace" ? Prior::laplace : Prior::gauss;
  const double scale = input_number<double>(golden, "scale");
  const double alpha = golden.get<double>("alpha") / scale;
  const int bits = golden.get<int>("bits");
  const auto end = static_cast<float>(alpha);
  return {
      {"expected_mse",
       scale * scale * quant::grid_mse(prior, kernels::affine_grid({-end, 2 * end}, bits))},
      {"analytic_mse", scale * scale * quant::clipping_mse(prior, alpha, std::ldexp(1.0, bits))}};
}

Json allocation(const Case& golden) {
  const std::vector<double> spread = golden.input("alpha").data;
  const auto n = static_cast<std::int64_t>(spread.size());
  const double goal = golden.get<double>("goal");
  const auto rounding = golden.get<std::string>("rounding") == "ceil"
                            ? quant::AllocationRounding::up
                            : quant::AllocationRounding::nearest;
  const quant::QuotaAllocation quota = quant::allocate_to_quota(spread, goal, rounding);
  return {
      {"single_pass", pack(quant::allocate_once(spread, goal, rounding), {n})},
      {"quota_loop", pack(quota.bits, {n})},
      {"quota_mean", static_cast<float>(quant::mean_width(quota.bits))},  // the peer's is float32
      {"passes", quota.passes}};
}

std::string correction_rule(const Case& golden) {
  const bool mean = golden.params.value("bias_corr_weight", false);
  if (golden.params.value("var_corr_weight", false)) return mean ? "mean_variance" : "variance";
  return mean ? "mean" : "none";
}

Json weight_correction(const Case& golden) {
  Json answer = {{"quantizer_call", Json::array()}};
  for (const std::string name : {"conv", "fc"}) {
    const Tensor w = read_tensor(golden, name.c_str());
    const kernels::ChannelLayout layout = weight_layout(w);
    quant::QuantizerSite site{.place = quant::Place::weight,
                              .bits = golden.get<int>("bits"),
                              .granularity = config::Granularity::channel};
    allocate(golden, "bit_alloc_weight", site);
    const Quantized plain = quantized(w, layout, site, statistics_of(w, layout));
    answer["quantizer_call"].push_back(plain.call);

    const auto corrected = [&](const std::string& rule) {
      std::vector<float> out = plain.y.values;
      quant::apply_corrections(quant::weight_corrections(rule, w.values, out, layout.channels),
                               out);
      return pack(out, w.shape);
    };
    answer[name] = corrected(correction_rule(golden));
    answer["paper_" + name] = corrected("paper");
    // The parts of the paper's form: ξ·(w + μ).
    std::vector<double> xi, mu;
    for (const quant::ChannelCorrection& channel :
         quant::weight_corrections("paper", w.values, plain.y.values, layout.channels)) {
      xi.push_back(channel.scale);
      mu.push_back(channel.shift / channel.scale);
    }
    answer["xi_" + name] = pack(xi, {layout.channels});
    answer["mu_" + name] = pack(mu, {layout.channels});
  }
  return answer;
}

Json activation_correction(const Case& golden) {
  const Tensor x = read_tensor(golden, "conv_output");
  Tensor y = read_tensor(golden, "quantized_without_correction");
  const std::int64_t batch = x.shape.at(0), channels = x.shape.at(1);
  const std::int64_t pixels = x.size() / (batch * channels);
  const auto part = [&](auto& values, std::int64_t sample, std::int64_t channel) {
    return std::span(values).subspan(
        static_cast<std::size_t>((sample * channels + channel) * pixels),
        static_cast<std::size_t>(pixels));
  };
  for (std::int64_t channel = 0; channel < channels; ++channel) {
    quant::ActivationSums sums;
    for (std::int64_t n = 0; n < batch; ++n) {
      quant::add_sums(part(x.values, n, channel), part(y.values, n, channel),
                      golden.get<bool>("half_range"), sums);
    }
    for (std::int64_t n = 0; n < batch; ++n) {
      quant::correct_positive(sums.correction(), part(y.values, n, channel));
    }
  }
  return {{"y", pack(y.values, y.shape)}};
}

bool is_of_activations(const Case& golden) { return golden.inputs.contains("conv_output"); }
bool is_of_weights(const Case& golden) { return golden.inputs.contains("conv"); }

}  // namespace

void register_document004_refinements(Handlers& handlers) {
  const char* clipping = "aciq_alpha_tables";
  handlers.add({clipping, {"bits"}, nullptr, constants_of_bits});
  handlers.add({clipping, {"scaled"}, nullptr, scaled});
  handlers.add({clipping, {"omega"}, nullptr, real_levels});
  handlers.add({clipping, {"grid_mse_laplace", "grid_mse_gauss"}, nullptr, mse_of_grid});
  handlers.add({"bit_allocation", {}, nullptr, allocation});
  handlers.add({"bias_correction", {}, is_of_weights, weight_correction});
  handlers.add({"bias_correction", {}, is_of_activations, activation_correction});
}

}  // namespace bitsweep::golden
