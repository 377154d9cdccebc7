// `analyse sensitivity`: what quantizing each layer alone costs, and what leaving each layer alone
// in full precision gains.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <numeric>

#include "cli/analyses/common.h"
#include "cli/analysis.h"
#include "core/escape.h"

namespace bitsweep::cli {
namespace {

struct Options : AnalysisOptions, KnobOptions {};

// One knob's two trials.
struct Sensitivity {
  const search::Knob* knob = nullptr;
  Measured alone;    // everything else in full precision
  Measured without;  // the recipe with this one in full precision
  double cost = 0;   // badness of `alone` over full precision
  double gain = 0;   // badness of the recipe over `without`
};

struct Results {
  Measured full;    // everything in full precision
  Measured recipe;  // everything quantized
  std::vector<Sensitivity> knobs;
};

// The recipe with nothing quantized, through the same passes.
config::Settings unquantized(config::Settings settings) {
  settings.layers.clear();
  for (const char* key : {"quant.weight.bits", "quant.activation.bits"}) {
    settings.set(key, std::string("none"), "analysis");
  }
  return settings;
}

std::optional<Results> measure(const search::Recipe& recipe, const std::vector<std::size_t>& turned,
                               Evaluator& evaluator) {
  std::vector<Variation> variations = {{"full", unquantized(recipe.settings())},
                                       {"recipe", recipe.settings()}};
  for (const std::size_t knob : turned) {
    const std::string& name = recipe.knobs()[knob].name();
    search::Widths widths(recipe.knobs().size());
    widths[knob] = config::kUnquantizedBits;
    variations.push_back({"only=" + name, recipe.only(knob)});
    variations.push_back({"without=" + name, recipe.with(widths)});
  }
  const auto measured = evaluator.measure(variations);
  if (!measured) return std::nullopt;
  Results out{(*measured)[0], (*measured)[1], {}};
  const double floor = evaluator.badness(out.full);
  const double whole = evaluator.badness(out.recipe);
  for (std::size_t i = 0; i < turned.size(); ++i) {
    const Measured& alone = (*measured)[2 + 2 * i];
    const Measured& without = (*measured)[3 + 2 * i];
    out.knobs.push_back({&recipe.knobs()[turned[i]], alone, without,
                         evaluator.badness(alone) - floor, whole - evaluator.badness(without)});
  }
  return out;
}

report::Table table_of(const Results& results) {
  report::Table out;
  out.caption = "Most sensitive first: by what quantizing it alone costs";
  out.columns = {{"tensor", report::Align::left},
                 {"bits", report::Align::right},
                 {"only it: top1 (%)", report::Align::right},
                 {"cost", report::Align::right},
                 {"all but it: top1 (%)", report::Align::right},
                 {"gain", report::Align::right}};
  std::vector<std::size_t> order(results.knobs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    return results.knobs[a].cost > results.knobs[b].cost;
  });
  for (const std::size_t i : order) {
    const Sensitivity& one = results.knobs[i];
    out.rows.push_back({{one.knob->name(), std::to_string(one.knob->bits), percent_cell(one.alone),
                         signed_text(one.cost), percent_cell(one.without), signed_text(one.gain)},
                        ""});
  }
  return out;
}

std::string csv_line(const std::string& trial, const std::string& tensor, int bits,
                     const Measured& measured, double difference) {
  return fmt::format("{},{},{},{},{},{},{},{},{}\n", trial, escape_csv(tensor), bits, measured.key,
                     measured.images, measured.correct, measured.top1, measured.loss, difference);
}

std::string csv_of(const Results& results) {
  std::string out = "trial,tensor,bits,key,images,correct,top1,loss,difference\n";
  out += csv_line("full", "", config::kUnquantizedBits, results.full, 0);
  out += csv_line("recipe", "", 0, results.recipe, 0);
  for (const Sensitivity& one : results.knobs) {
    out += csv_line("only", one.knob->name(), one.knob->bits, one.alone, one.cost);
    out += csv_line("without", one.knob->name(), config::kUnquantizedBits, one.without, one.gain);
  }
  return out;
}

report::Drawing figure(const Results& results, const std::string& heading) {
  std::vector<std::string> labels;
  BarSeries cost{"cost of quantizing it alone", {}};
  BarSeries gain{"gain of leaving it alone in full precision", {}};
  std::string csv = "tensor,cost,gain\n";
  for (const Sensitivity& one : results.knobs) {
    labels.push_back(one.knob->name());
    cost.values.push_back(one.cost);
    gain.values.push_back(one.gain);
    csv += fmt::format("{},{},{}\n", escape_csv(one.knob->name()), one.cost, one.gain);
  }
  return {"sensitivity", "Each tensor's own part in the " + heading + ", first layer on top",
          bars(labels, {cost, gain}, "difference in " + heading), csv};
}

ExitCode run(const Options& options) {
  Evaluator evaluator(options, "sensitivity");
  const search::Recipe recipe(evaluator.recipe());
  const auto results = measure(recipe, turned_knobs(recipe, options), evaluator);
  if (!results) {
    evaluator.print_tally();
    return evaluator.exit_code();
  }
  report::Study study;
  study.document = begin_document(
      evaluator, options, evaluator.name() + ": which layers quantization hurts", results->recipe);
  auto& blocks = study.document.blocks;
  const std::string heading = evaluator.badness_heading();
  blocks.emplace_back(report::Paragraph{fmt::format(
      "In full precision {} % (loss {}), as the recipe says {} % (loss {}). \"cost\" is the {} of "
      "quantizing one tensor alone minus that of full precision; \"gain\" is the {} of the recipe "
      "minus that of the recipe with this tensor in full precision.",
      percent_cell(results->full).plain(), loss_text(results->full.loss),
      percent_cell(results->recipe).plain(), loss_text(results->recipe.loss), heading, heading)});
  study.drawings.push_back(figure(*results, heading));
  blocks.emplace_back(report::FigureBlock{"sensitivity", study.drawings.back().caption});
  blocks.emplace_back(table_of(*results));
  end_document(evaluator, study.document);
  study.csv = csv_of(*results);
  return finish(evaluator, study);
}

}  // namespace

void register_sensitivity(Registry<Analysis>& registry) {
  registry.add({"sensitivity", "What each layer's quantization costs, alone and in company",
                [](CLI::App& app) {
                  auto options = std::make_shared<Options>();
                  add_analysis_options(app, *options, "sensitivity");
                  add_knob_options(app, *options);
                  app.footer(
                      "Two trials a tensor: quantized alone (everything else in full precision),\n"
                      "and alone in full precision (everything else as the recipe says).\n"
                      "Example: bitsweep analyse sensitivity experiments/cifar10/resnet20_ptq.toml "
                      "\\\n           quant.weight.bits=4 --tensors weight");
                  return std::function<ExitCode()>([options] { return run(*options); });
                }});
}

}  // namespace bitsweep::cli
