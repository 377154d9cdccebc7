// `analyse recovery`: in which order layers are best put back to 8 bits. Everything starts as the
// recipe says; each round puts back the one layer whose measured gain is largest.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <limits>
#include <memory>

#include "cli/analyses/common.h"
#include "cli/analysis.h"
#include "core/escape.h"
#include "core/log.h"

namespace bitsweep::cli {
namespace {

struct Options : AnalysisOptions, KnobOptions {
  int to = 8;
  int rounds = std::numeric_limits<int>::max();
};

// A layer with those of its tensors that are turned.
struct Layer {
  std::string name;
  std::vector<std::size_t> knobs;
};

// Layers of which something is narrower than `to`.
std::vector<Layer> layers_below(const search::Recipe& recipe,
                                const std::vector<std::size_t>& turned, int to) {
  std::vector<Layer> out;
  for (const std::size_t i : turned) {
    const search::Knob& knob = recipe.knobs()[i];
    if (knob.bits >= to) continue;
    if (out.empty() || out.back().name != knob.layer) out.push_back({knob.layer, {}});
    out.back().knobs.push_back(i);
  }
  if (!out.empty()) return out;
  throw ConfigError(fmt::format(
      "--to {}: the recipe has no tensor below {} bits to put back; start from a recipe with "
      "narrow ones, as in quant.weight.bits=3",
      to, to));
}

struct Round {
  std::string layer;  // put back in this round; "" the start
  Measured measured;
  graph::TotalCount counted;
};

class Recovery {
 public:
  Recovery(const search::Recipe& recipe, std::vector<Layer> layers, int to, Evaluator& evaluator)
      : recipe_(recipe),
        layers_(std::move(layers)),
        to_(to),
        evaluator_(evaluator),
        widths_(recipe.knobs().size()) {}

  // False where an evaluation failed or was stopped.
  bool run(int rounds) {
    const auto start = evaluator_.measure({{"start", recipe_.settings()}});
    if (!start) return false;
    path_.push_back({"", start->front(), recipe_.count(widths_)});
    while (!layers_.empty() && static_cast<int>(path_.size()) <= rounds) {
      if (!put_back_one()) return false;
    }
    return true;
  }

  const std::vector<Round>& path() const { return path_; }
  const std::string& tried() const { return tried_; }  // lines of data.csv

 private:
  search::Widths with(const Layer& layer) const {
    search::Widths out = widths_;
    for (const std::size_t knob : layer.knobs) out[knob] = to_;
    return out;
  }

  bool put_back_one() {
    std::vector<Variation> variations;
    const std::size_t round = path_.size();
    for (const Layer& layer : layers_) {
      variations.push_back(
          {fmt::format("round={},back={}", round, layer.name), recipe_.with(with(layer))});
    }
    const auto measured = evaluator_.measure(variations);
    if (!measured) return false;
    std::size_t best = 0;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const Measured& one = (*measured)[i];
      const double badness = evaluator_.badness(one);
      if (badness < evaluator_.badness((*measured)[best])) best = i;
      tried_ += fmt::format("{},{},{},{},{},{},{}\n", round, escape_csv(layers_[i].name), one.key,
                            one.images, one.correct, one.top1, one.loss);
    }
    widths_ = with(layers_[best]);
    path_.push_back({layers_[best].name, (*measured)[best], recipe_.count(widths_)});
    spdlog::info("round {}: {} back to {} bits, top1 {:.2f} %", round, layers_[best].name, to_,
                 100 * path_.back().measured.top1);
    layers_.erase(layers_.begin() + static_cast<std::ptrdiff_t>(best));
    return true;
  }

  const search::Recipe& recipe_;
  std::vector<Layer> layers_;  // still as the recipe has them
  int to_;
  Evaluator& evaluator_;
  search::Widths widths_;
  std::vector<Round> path_;
  std::string tried_;
};

report::Table table_of(const std::vector<Round>& path, const Evaluator& evaluator) {
  report::Table out;
  out.caption = "Layers in the order in which they were put back";
  out.columns = {{"round", report::Align::right},          {"put back", report::Align::left},
                 {"top1 (%)", report::Align::right},       {"loss", report::Align::right},
                 {"gain", report::Align::right},           {"weight bits", report::Align::right},
                 {"activation bits", report::Align::right}};
  for (std::size_t i = 0; i < path.size(); ++i) {
    const Round& round = path[i];
    const double gain =
        i == 0 ? 0 : evaluator.badness(path[i - 1].measured) - evaluator.badness(round.measured);
    out.rows.push_back(
        {{std::to_string(i), i == 0 ? "the recipe" : round.layer, percent_cell(round.measured),
          loss_text(round.measured.loss), i == 0 ? "" : signed_text(gain),
          fmt::format("{:.3g}", round.counted.weight_bits_average),
          fmt::format("{:.3g}", round.counted.activation_bits_average)},
         ""});
  }
  return out;
}

report::Drawing figure(const std::vector<Round>& path) {
  PointClass curve{"greedy order", {}};
  std::string csv = "round,layer,key,top1,loss,weight_bits_average,activation_bits_average\n";
  for (std::size_t i = 0; i < path.size(); ++i) {
    const Round& round = path[i];
    curve.points.emplace_back(static_cast<double>(i), 100 * round.measured.top1);
    csv += fmt::format("{},{},{},{},{},{},{}\n", i, escape_csv(round.layer), round.measured.key,
                       round.measured.top1, round.measured.loss, round.counted.weight_bits_average,
                       round.counted.activation_bits_average);
  }
  return {"recovery", "Accuracy as layers go back, one a round",
          lines({curve}, "layers put back", "top1 (%)"), csv};
}

ExitCode run(const Options& options) {
  Evaluator evaluator(options, "recovery");
  const search::Recipe recipe(evaluator.recipe());
  Recovery recovery(recipe, layers_below(recipe, turned_knobs(recipe, options), options.to),
                    options.to, evaluator);
  if (!recovery.run(options.rounds)) {
    evaluator.print_tally();
    return evaluator.exit_code();
  }
  const std::vector<Round>& path = recovery.path();
  report::Study study;
  study.document = begin_document(
      evaluator, options,
      fmt::format("{}: which layers to put back to {} bits first", evaluator.name(), options.to),
      path.front().measured);
  auto& blocks = study.document.blocks;
  blocks.emplace_back(report::Paragraph{fmt::format(
      "Each round tries every layer that is still as the recipe has it at {} bits and keeps the "
      "one "
      "that lowers the {} most; every try is a trial of the sweep and a line of data.csv.",
      options.to, evaluator.badness_heading())});
  study.drawings.push_back(figure(path));
  blocks.emplace_back(report::FigureBlock{"recovery", study.drawings.back().caption});
  blocks.emplace_back(table_of(path, evaluator));
  end_document(evaluator, study.document);
  study.csv = "round,layer,key,images,correct,top1,loss\n" + recovery.tried();
  return finish(evaluator, study);
}

}  // namespace

void register_recovery(Registry<Analysis>& registry) {
  registry.add(
      {"recovery", "In which order layers are best put back to 8 bits", [](CLI::App& app) {
         auto options = std::make_shared<Options>();
         add_analysis_options(app, *options, "recovery");
         add_knob_options(app, *options);
         app.add_option("--to", options->to, "Width that layers are put back to")
             ->check(CLI::Range(1, 16))
             ->capture_default_str();
         app.add_option("--rounds", options->rounds, "Stop after so many layers (default: all)")
             ->check(CLI::Range(1, 1000000))
             ->default_str("");
         app.footer(
             "n layers take at most n(n+1)/2 trials; what is done is not run again.\n"
             "Example: bitsweep analyse recovery experiments/cifar10/resnet20_ptq.toml \\\n"
             "           quant.weight.bits=3 --tensors weight --rounds 5");
         return std::function<ExitCode()>([options] { return run(*options); });
       }});
}

}  // namespace bitsweep::cli
