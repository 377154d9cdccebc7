// `analyse alpha-mse`: the mean squared error of clipping at α and rounding, by the formula and on
// drawn values (document 004, facts B.8).
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/analyses/synthetic.h"
#include "cli/analysis.h"
#include "quant/synthetic.h"
#include "report/plot_style.h"

namespace bitsweep::cli {
namespace {

constexpr const char* kWord = "alpha-mse";

struct Options : SyntheticOptions {
  std::string prior = "laplace";
  double scale = 2;
  int bits = 4;
  double from = 5;
  double to = 20;
  double step = 0.1;
  std::int64_t samples = 100000;
  std::uint64_t seed = 0;
};

void check(const Options& options) {
  if (options.from <= 0 || options.to <= options.from || options.step <= 0 ||
      options.to - options.from > 1e5 * options.step) {
    throw ConfigError(fmt::format(
        "--from {} --to {} --step {}: expected 0 < from < to in at most 100000 positive steps",
        options.from, options.to, options.step));
  }
}

ExitCode run(const Options& options) {
  check(options);
  const quant::Prior prior = options.prior == "gauss" ? quant::Prior::gauss : quant::Prior::laplace;
  const char* scale_name = prior == quant::Prior::gauss ? "σ" : "b";
  const auto alphas = quant::evenly_spaced(options.from, options.to, options.step);
  const auto values =
      quant::drawn_values(prior, options.scale, options.samples, options.seed, /*run=*/0);
  const auto analytic = quant::analytic_curve(prior, options.scale, options.bits, alphas);
  const auto simulated = quant::simulated_curve(values, options.bits, alphas);
  const double best = options.scale * quant::optimal_clipping(prior, std::ldexp(1.0, options.bits));
  const double best_mse =
      quant::analytic_curve(prior, options.scale, options.bits, std::vector<double>{best}).front();
  const std::size_t measured = least_of(simulated);

  const std::vector<PlottedCurve> plotted = {{"analytic", analytic},
                                             {"simulated", simulated, /*as_points=*/true}};
  report::Study study;
  study.document = begin_synthetic(
      fmt::format("Clipping a {} distribution ({} = {}) to {} bits",
                  prior == quant::Prior::gauss ? "Gauss" : "Laplace", scale_name, options.scale,
                  options.bits),
      fmt::format("bitsweep analyse {} --prior {} --scale {} --bits {} --from {} --to {} --step {} "
                  "--samples {} --seed {}",
                  kWord, options.prior, options.scale, options.bits, options.from, options.to,
                  options.step, options.samples, options.seed));
  auto& blocks = study.document.blocks;
  blocks.emplace_back(report::Paragraph{fmt::format(
      "By the formula the error is least at α = {:.4f} ({:.4f}·{}): {:.6f}. On {} drawn values, "
      "clipped and rounded to multiples of 2α/2^{}, it is least at α = {:.4f}: {:.6f}. The formula "
      "takes rounding noise for even over a step, so that the simulated curve lies a little below "
      "it.",
      best, best / options.scale, scale_name, best_mse, options.samples, options.bits,
      alphas[measured], simulated[measured])});
  study.drawings.push_back(
      {kWord, "Mean squared error against the clipping value α",
       curves(alphas, plotted, {{"analytic optimum", best}}, "α", "mean squared error"),
       curves_csv("alpha", alphas, plotted)});
  blocks.emplace_back(report::FigureBlock{kWord, study.drawings.back().caption});
  study.csv = study.drawings.back().csv;

  nlohmann::json rows = nlohmann::json::array();
  for (std::size_t i = 0; i < alphas.size(); ++i) {
    rows.push_back({{"alpha", alphas[i]}, {"analytic", analytic[i]}, {"simulated", simulated[i]}});
  }
  return finish_synthetic(
      study, options, kWord,
      {{"prior", options.prior},
       {"scale", options.scale},
       {"bits", options.bits},
       {"samples", options.samples},
       {"seed", options.seed},
       {"optimum", {{"alpha", best}, {"mse", best_mse}}},
       {"simulated_optimum", {{"alpha", alphas[measured]}, {"mse", simulated[measured]}}},
       {"rows", rows}});
}

}  // namespace

void register_alpha_mse(Registry<Analysis>& registry) {
  registry.add(
      {kWord, "The error of clipping at α, by the formula and simulated", [](CLI::App& app) {
         auto options = std::make_shared<Options>();
         app.add_option("--prior", options->prior, "laplace or gauss")
             ->check(CLI::IsMember({"laplace", "gauss"}))
             ->capture_default_str();
         app.add_option("--scale", options->scale, "b or σ of the distribution")
             ->check(CLI::PositiveNumber)
             ->capture_default_str();
         app.add_option("--bits", options->bits, "Width")
             ->check(CLI::Range(1, 16))
             ->capture_default_str();
         app.add_option("--from", options->from, "The smallest α")->capture_default_str();
         app.add_option("--to", options->to, "The largest α")->capture_default_str();
         app.add_option("--step", options->step, "Between two α")->capture_default_str();
         app.add_option("--samples", options->samples, "Values drawn")
             ->check(CLI::Range(std::int64_t{1}, std::int64_t{100'000'000}))
             ->capture_default_str();
         app.add_option("--seed", options->seed, "Of the drawn values")->capture_default_str();
         add_output_option(app, *options, kWord);
         app.footer(
             "Examples:\n  bitsweep analyse alpha-mse\n"
             "  bitsweep analyse alpha-mse --prior gauss --bits 3 --from 1 --to 12 -o out/gauss3");
         return std::function<ExitCode()>([options] { return run(*options); });
       }});
}

}  // namespace bitsweep::cli
