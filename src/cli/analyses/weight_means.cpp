// `analyse weight-means`: the mean of every output channel's weights in steps of its own 4-bit grid
// (document 004's bias notebook; facts B.8). A mean of half a step and more is one that rounding
// can lose, which is why bias correction helps.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/analyses/synthetic.h"
#include "cli/analysis.h"
#include "core/escape.h"
#include "export/weights.h"
#include "graph/layers.h"
#include "graph/passes.h"
#include "models/model.h"
#include "quant/synthetic.h"
#include "report/plot_style.h"

namespace bitsweep::cli {
namespace {

constexpr const char* kWord = "weight-means";
constexpr double kHalfStep = 0.5;

struct Options : SyntheticOptions {
  std::string model;
  std::string weights;
  std::string shortcut;
  std::int64_t classes = 10;
  int bits = 4;
};

struct Channel {
  std::string layer;
  std::int64_t index = 0;
  double steps = 0;
};

std::vector<Channel> channels_of(const Options& options) {
  config::ModelConfig model;
  model.name = options.model;
  model.shortcut = options.shortcut;
  const graph::Graph network = models::build_model(model, options.classes);
  const graph::Folding folding = graph::fold_batch_norm(network);
  const graph::Parameters weights =
      graph::fold_parameters(folding, network, exporting::load_weights(options.weights, network));
  std::vector<Channel> out;
  for (const graph::NodeId layer : graph::layers(folding.graph)) {
    const graph::Node& node = folding.graph.node(layer);
    const std::span<const float> values = weights.values(node.name + ".weight");
    const auto count = static_cast<std::size_t>(node.output.channels);
    const std::size_t size = values.size() / count;
    for (std::size_t c = 0; c < count; ++c) {
      const auto channel = values.subspan(c * size, size);
      if (!std::ranges::all_of(channel, [](float v) { return std::isfinite(v); })) {
        throw DataError(fmt::format("{}: a weight of '{}', channel {}, is infinite or not a number",
                                    options.weights, node.name, c));
      }
      out.push_back(
          {node.name, static_cast<std::int64_t>(c), quant::mean_in_steps(channel, options.bits)});
    }
  }
  return out;
}

report::Picture scatter(const std::vector<Channel>& channels) {
  report::Picture out;
  double top = 1;
  std::string points;
  for (std::size_t i = 0; i < channels.size(); ++i) {
    points += fmt::format("{} {}\n", i, report::number(channels[i].steps));
    top = std::max(top, channels[i].steps);
  }
  out.script = report::plot_frame();
  out.script += fmt::format(
      "set xlabel 'output channel, first layer first'\nset ylabel '|mean| in steps'\n"
      "set xrange [-1:{}]\nset yrange [0:{}]\n$c << EOD\n{}EOD\n",
      channels.size(), report::number(1.05 * top), points);
  out.script += fmt::format(
      "plot $c using 1:2 with points pt 7 ps 0.4 lc rgb '{}' title 'a channel', {} with lines lw 2 "
      "lc rgb '{}' title 'half a step'\n",
      report::kColours[0], kHalfStep, report::kColours[1]);
  return out;
}

ExitCode run(const Options& options) {
  const std::vector<Channel> channels = channels_of(options);
  const auto above =
      std::ranges::count_if(channels, [](const Channel& c) { return c.steps >= kHalfStep; });
  std::vector<double> sorted;
  for (const Channel& channel : channels) sorted.push_back(channel.steps);
  std::ranges::sort(sorted);
  const double median = sorted[sorted.size() / 2];
  const double share = static_cast<double>(above) / static_cast<double>(channels.size());

  report::Study study;
  study.document = begin_synthetic(
      fmt::format("Means of the weights of {}, in steps of {} bits", options.model, options.bits),
      fmt::format("bitsweep analyse {} {} {}{} --classes {} --bits {}", kWord, options.model,
                  options.weights,
                  options.shortcut.empty() ? "" : " --shortcut " + options.shortcut,
                  options.classes, options.bits));
  auto& blocks = study.document.blocks;
  blocks.emplace_back(report::Paragraph{fmt::format(
      "Batch norms are folded; every output channel of the {} convolutions and linear layers "
      "counts "
      "with 2^{}·|mean| / (max − min). Of {} channels {} ({:.1f} %) have a mean of half a step or "
      "more; the median is {:.3f} steps, the largest {:.3f}.",
      std::ranges::count_if(channels, [](const Channel& c) { return c.index == 0; }), options.bits,
      channels.size(), above, 100 * share, median, sorted.back())});
  std::string csv = "layer,channel,steps\r\n";
  nlohmann::json rows = nlohmann::json::array();
  for (const Channel& channel : channels) {
    csv += fmt::format("{},{},{}\r\n", escape_csv(channel.layer), channel.index,
                       report::number(channel.steps));
    rows.push_back(
        {{"layer", channel.layer}, {"channel", channel.index}, {"steps", channel.steps}});
  }
  study.drawings.push_back(
      {kWord, "Mean of each output channel's weights, in steps", scatter(channels), csv});
  blocks.emplace_back(report::FigureBlock{kWord, study.drawings.back().caption});
  study.csv = csv;
  return finish_synthetic(study, options, kWord,
                          {{"model", options.model},
                           {"bits", options.bits},
                           {"channels", channels.size()},
                           {"half_step_or_more", above},
                           {"median", median},
                           {"rows", rows}});
}

}  // namespace

void register_weight_means(Registry<Analysis>& registry) {
  registry.add(
      {kWord, "The mean of each channel's weights in steps of its grid", [](CLI::App& app) {
         auto options = std::make_shared<Options>();
         app.add_option("model", options->model, "Network (bitsweep list models)")->required();
         app.add_option("weights", options->weights, "Its weights: a safetensors file")->required();
         app.add_option("--shortcut", options->shortcut, "A or B, where it has a choice");
         app.add_option("--classes", options->classes, "Outputs")
             ->check(CLI::Range(1, 100000))
             ->capture_default_str();
         app.add_option("--bits", options->bits, "Width that the steps are of")
             ->check(CLI::Range(1, 16))
             ->capture_default_str();
         add_output_option(app, *options, kWord);
         app.footer(
             "Example: bitsweep analyse weight-means resnet20 "
             "experiments/weights/resnet20_a_akamaster.safetensors");
         return std::function<ExitCode()>([options] { return run(*options); });
       }});
}

}  // namespace bitsweep::cli
