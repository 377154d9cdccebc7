// `analyse bit-split`: two channels share a number of bins; which split makes the least error
// (document 004, equation 10; facts B.8).
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

constexpr const char* kWord = "bit-split";

struct Options : SyntheticOptions {
  std::vector<double> ratios = {2, 0.5, 1};  // of σ^(2/3)
  double bins = 32;
  std::int64_t samples = 10000;
  int runs = 15;
  std::uint64_t seed = 0;
};

struct Split {
  quant::TwoChannels channels;
  double theory = 0;
  std::vector<double> curve;  // mean of the runs
  double measured = 0;        // mean of the runs' best shares
};

// The smaller deviation is 1.
quant::TwoChannels channels_of(double ratio, const Options& options) {
  const double sigma = std::pow(std::max(ratio, 1 / ratio), 1.5);
  const bool first_is_wide = ratio >= 1;
  return {first_is_wide ? sigma : 1, first_is_wide ? 1 : sigma, options.bins, options.samples};
}

Split split_of(double ratio, const Options& options, const std::vector<double>& shares) {
  Split out;
  out.channels = channels_of(ratio, options);
  out.theory = quant::best_share(out.channels.sigma1, out.channels.sigma2);
  out.curve.assign(shares.size(), 0.0);
  for (int run = 0; run < options.runs; ++run) {
    const auto curve =
        quant::split_curve(out.channels, shares, options.seed, static_cast<std::uint32_t>(run));
    for (std::size_t i = 0; i < curve.size(); ++i) out.curve[i] += curve[i] / options.runs;
    out.measured += shares[least_of(curve)] / options.runs;
  }
  return out;
}

std::string ratios_text(const std::vector<double>& ratios) {
  return fmt::format("{}", fmt::join(ratios, ","));
}

ExitCode run(const Options& options) {
  const auto shares = quant::evenly_spaced(0.15, 0.85, 0.01);
  std::vector<Split> splits;
  for (const double ratio : options.ratios) splits.push_back(split_of(ratio, options, shares));

  report::Study study;
  study.document = begin_synthetic(
      fmt::format("Two channels share {} bins", options.bins),
      fmt::format("bitsweep analyse {} --ratios {} --bins {} --samples {} --runs {} --seed {}",
                  kWord, ratios_text(options.ratios), options.bins, options.samples, options.runs,
                  options.seed));
  auto& blocks = study.document.blocks;
  blocks.emplace_back(report::Paragraph{fmt::format(
      "Two Gauss channels of {} values each get p and 1 − p of the bins; the errors of both are "
      "added. Equation 10 puts the least at p = σ₁^(2/3) / (σ₁^(2/3) + σ₂^(2/3)). Means of {} "
      "runs.",
      options.samples, options.runs)});
  report::Table table;
  table.caption = "Where the error is least";
  table.columns = {{"σ₁", report::Align::right},
                   {"σ₂", report::Align::right},
                   {"p by equation 10", report::Align::right},
                   {"p measured", report::Align::right},
                   {"least error", report::Align::right}};
  std::vector<PlottedCurve> plotted;
  nlohmann::json rows = nlohmann::json::array();
  for (std::size_t i = 0; i < splits.size(); ++i) {
    const Split& split = splits[i];
    const double least = split.curve[least_of(split.curve)];
    table.rows.push_back(
        {{fmt::format("{:.4f}", split.channels.sigma1),
          fmt::format("{:.4f}", split.channels.sigma2), fmt::format("{:.4f}", split.theory),
          fmt::format("{:.4f}", split.measured), fmt::format("{:.5f}", least)},
         ""});
    PlottedCurve curve{fmt::format("σ^(2/3) as {} to 1, relative to its least", options.ratios[i]),
                       split.curve};
    for (double& value : curve.y) value /= least;
    plotted.push_back(std::move(curve));
    rows.push_back({{"ratio", options.ratios[i]},
                    {"sigma", {split.channels.sigma1, split.channels.sigma2}},
                    {"p_theory", split.theory},
                    {"p_measured", split.measured},
                    {"p", shares},
                    {"mse", split.curve}});
  }
  blocks.emplace_back(std::move(table));
  study.drawings.push_back({kWord,
                            "Error of both channels against the first one's share of the bins",
                            curves(shares, plotted, {}, "p", "error, 1 at its least"),
                            curves_csv("p", shares, plotted)});
  blocks.emplace_back(report::FigureBlock{kWord, study.drawings.back().caption});
  std::vector<PlottedCurve> raw;
  for (std::size_t i = 0; i < splits.size(); ++i) {
    raw.push_back({fmt::format("mse ratio {}", options.ratios[i]), splits[i].curve});
  }
  study.csv = curves_csv("p", shares, raw);
  return finish_synthetic(study, options, kWord,
                          {{"bins", options.bins},
                           {"samples", options.samples},
                           {"runs", options.runs},
                           {"seed", options.seed},
                           {"rows", rows}});
}

}  // namespace

void register_bit_split(Registry<Analysis>& registry) {
  registry.add(
      {kWord, "How two channels should share their bins: equation 10 and simulated",
       [](CLI::App& app) {
         auto options = std::make_shared<Options>();
         app.add_option("--ratios", options->ratios, "Ratios of σ₁^(2/3) to σ₂^(2/3), at most 6")
             ->delimiter(',')
             ->expected(1, 6)
             ->check(CLI::Range(0.01, 100.0))
             ->capture_default_str();
         app.add_option("--bins", options->bins, "Bins that both share")
             ->check(CLI::Range(2.0, 65536.0))
             ->capture_default_str();
         app.add_option("--samples", options->samples, "Values of each channel")
             ->check(CLI::Range(std::int64_t{2}, std::int64_t{10'000'000}))
             ->capture_default_str();
         app.add_option("--runs", options->runs, "Runs that the means are of")
             ->check(CLI::Range(1, 1000))
             ->capture_default_str();
         app.add_option("--seed", options->seed, "Of the drawn values")->capture_default_str();
         add_output_option(app, *options, kWord);
         app.footer(
             "Examples:\n  bitsweep analyse bit-split\n"
             "  bitsweep analyse bit-split --ratios 4,1 --bins 16 -o out/split");
         return std::function<ExitCode()>([options] { return run(*options); });
       }});
}

}  // namespace bitsweep::cli
