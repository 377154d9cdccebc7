// `analyse optimal-alpha`: the best clipping value against the scale of the distribution, a line
// for each width (the older notebook of document 004's authors; facts B.8).
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/analyses/synthetic.h"
#include "cli/analysis.h"
#include "quant/synthetic.h"

namespace bitsweep::cli {
namespace {

constexpr const char* kWord = "optimal-alpha";
constexpr int kFewestBits = 2;
constexpr int kMostBits = 8;

struct Options : SyntheticOptions {
  double largest_scale = 5;
};

void add_prior(quant::Prior prior, const Options& options, report::Study& study,
               nlohmann::json& rows) {
  const bool gauss = prior == quant::Prior::gauss;
  const std::string scale = gauss ? "σ" : "b";
  const std::string id = gauss ? "optimal-alpha-gauss" : "optimal-alpha-laplace";
  const auto scales = quant::evenly_spaced(0, options.largest_scale, options.largest_scale / 20);
  std::vector<PlottedCurve> plotted;
  report::Table table;
  table.caption = gauss ? "Gauss distribution" : "Laplace distribution";
  table.columns = {{"bits", report::Align::right},
                   {"α/" + scale, report::Align::right},
                   {"error/" + scale + "²", report::Align::right},
                   {"published", report::Align::right}};
  for (int bits = kFewestBits; bits <= kMostBits; ++bits) {
    const double levels = std::ldexp(1.0, bits);
    const double alpha = quant::optimal_clipping(prior, levels);
    const double mse = quant::clipping_mse(prior, alpha, levels);
    const auto published = quant::published_clipping(prior, bits, /*one_sided=*/false);
    PlottedCurve line{fmt::format("{} bits", bits), {}};
    for (const double s : scales) line.y.push_back(alpha * s);
    plotted.push_back(std::move(line));
    table.rows.push_back(
        {{std::to_string(bits), fmt::format("{:.6f}", alpha), fmt::format("{:.6f}", mse),
          published ? fmt::format("{:.2f}", *published) : "–"},
         ""});
    rows.push_back({{"prior", gauss ? "gauss" : "laplace"},
                    {"bits", bits},
                    {"alpha", alpha},
                    {"mse", mse},
                    {"published", published ? nlohmann::json(*published) : nlohmann::json()}});
    study.csv += fmt::format("{},{},{},{}\r\n", gauss ? "gauss" : "laplace", bits, alpha, mse);
  }
  study.drawings.push_back(
      {id,
       fmt::format("Best α against {} of a {} distribution", scale, gauss ? "Gauss" : "Laplace"),
       curves(scales, plotted, {}, scale, "best α"),
       curves_csv(gauss ? "sigma" : "b", scales, plotted)});
  study.document.blocks.emplace_back(report::FigureBlock{id, study.drawings.back().caption});
  study.document.blocks.emplace_back(std::move(table));
}

ExitCode run(const Options& options) {
  report::Study study;
  study.document = begin_synthetic(
      "The best clipping value for each width",
      fmt::format("bitsweep analyse {} --largest-scale {}", kWord, options.largest_scale));
  study.document.blocks.emplace_back(
      report::Paragraph{"The best α is a constant times the scale of the distribution, so that one "
                        "pass for the scale "
                        "is all that clipping costs; a wider code takes a larger constant."});
  study.csv = "prior,bits,alpha,mse\r\n";
  nlohmann::json rows = nlohmann::json::array();
  add_prior(quant::Prior::laplace, options, study, rows);
  add_prior(quant::Prior::gauss, options, study, rows);
  return finish_synthetic(study, options, kWord, {{"rows", rows}});
}

}  // namespace

void register_optimal_alpha(Registry<Analysis>& registry) {
  registry.add(
      {kWord, "The best clipping value against the scale, for 2 to 8 bits", [](CLI::App& app) {
         auto options = std::make_shared<Options>();
         app.add_option("--largest-scale", options->largest_scale, "Right end of the plots: b or σ")
             ->check(CLI::Range(1e-6, 1e6))
             ->capture_default_str();
         add_output_option(app, *options, kWord);
         app.footer("Example: bitsweep analyse optimal-alpha -o out/optimal");
         return std::function<ExitCode()>([options] { return run(*options); });
       }});
}

}  // namespace bitsweep::cli
