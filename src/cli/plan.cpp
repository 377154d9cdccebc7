// `bitsweep plan`: the trials of a sweep, each with the reason it will or will not run. Writes nothing.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/plan_options.h"
#include "config/trial.h"
#include "core/text.h"
#include "data/dataset.h"
#include "graph/count.h"
#include "graph/listing.h"
#include "models/model.h"
#include "quant/scheme.h"
#include "sweep/why.h"

namespace bitsweep::cli {
namespace {

struct Options : PlanOptions {
  bool layers = false;
  bool why = false;
  bool json = false;
};

// The network that a trial runs, with the widths of its scheme.
struct ResolvedNetwork {
  quant::PlannedNetwork network;
  graph::Counts counts;
};

ResolvedNetwork resolve(const sweep::PlannedTrial& trial) {
  const config::TrialConfig config = sweep::trial_config(trial);
  const auto& data = data::datasets().get(config.data.name);
  const graph::Graph graph = models::build_model(config.model, data.num_classes());
  ResolvedNetwork out{quant::plan_network(graph, config.quant), {}};
  const graph::Graph& runs = out.network.folding.graph;
  out.counts = graph::count(runs, quant::bit_table(runs, out.network.sites));
  return out;
}

// A place for an activation quantizer that is no convolution or linear layer.
struct QuantizedOutput {
  graph::NodeId node = -1;
  int bits = config::kUnquantizedBits;
};

std::vector<QuantizedOutput> outputs_behind(const quant::PlannedNetwork& network) {
  std::vector<QuantizedOutput> out;
  const auto add = [&](graph::NodeId node, int bits) {
    if (!network.folding.graph.node(node).has_weight()) out.push_back({node, bits});
  };
  for (const quant::QuantizerSite& site : network.sites.sites) {
    if (site.place == quant::Place::output) add(site.node, site.bits);
  }
  for (const graph::NodeId node : network.sites.unquantized_outputs) {
    add(node, config::kUnquantizedBits);
  }
  std::ranges::sort(out, {}, &QuantizedOutput::node);
  return out;
}

std::string width(double bits) {
  return bits == config::kUnquantizedBits ? "–" : config::format_real(bits);
}

// fmt counts an en dash as one column, as a terminal does.
void print_layers(const sweep::PlannedTrial& trial) {
  const ResolvedNetwork resolved = resolve(trial);
  const graph::Graph& graph = resolved.network.folding.graph;
  fmt::print("\n{}\n", trial.name);
  fmt::print("{:<24} {:<7} {:>5} {:>5} {:>5} {:>12} {:>15} {:>9}\n", "layer", "op", "W", "A in",
             "A out", "MACs", "BOPs", "bytes");
  for (const graph::LayerCount& layer : resolved.counts.layers) {
    const graph::Node& node = graph.node(layer.node);
    if (!node.has_weight()) continue;
    fmt::print("{:<24} {:<7} {:>5} {:>5} {:>5} {:>12} {:>15} {:>9}\n", node.name, op_name(node),
               width(layer.weight_bits), width(layer.activation_bits), width(layer.output_bits),
               format_count(layer.macs), format_count(layer.bops), format_count(layer.bytes));
  }
  for (const QuantizedOutput& output : outputs_behind(resolved.network)) {
    const graph::Node& node = graph.node(output.node);
    fmt::print("{:<24} {:<19} {:>5}\n", node.name, op_name(node), width(output.bits));
  }
  const graph::TotalCount& total = resolved.counts.total;
  fmt::print("{:<24} {:<7} {:>5.4g} {:>5} {:>5.4g} {:>12} {:>15} {:>9}\n", "all (average bits)", "",
             total.weight_bits_average, "", total.activation_bits_average,
             format_count(total.macs), format_count(total.bops), format_count(total.bytes()));
}

nlohmann::json layers_json(const sweep::PlannedTrial& trial) {
  const ResolvedNetwork resolved = resolve(trial);
  nlohmann::json rows = nlohmann::json::array();
  for (const graph::LayerCount& layer : resolved.counts.layers) {
    rows.push_back(graph::to_json(resolved.network.folding.graph, layer));
  }
  nlohmann::json outputs = nlohmann::json::array();
  for (const QuantizedOutput& output : outputs_behind(resolved.network)) {
    const graph::Node& node = resolved.network.folding.graph.node(output.node);
    outputs.push_back({{"name", node.name}, {"op", op_name(node)}, {"output_bits", output.bits}});
  }
  return {{"layers", rows},
          {"outputs", outputs},
          {"total", graph::to_json(resolved.counts.total)}};
}

void print_json(const sweep::Plan& plan, const std::vector<run::Decision>& decisions,
                const std::vector<std::string>& why, bool layers) {
  nlohmann::json out = sweep::plan_to_json(plan);
  for (std::size_t i = 0; i < plan.trials.size(); ++i) {
    nlohmann::json& row = out["rows"][i];
    row["action"] = run::to_string(decisions[i].action);
    row["reason"] = decisions[i].reason;
    if (i < why.size()) row["why"] = why[i];
    if (layers) row.update(layers_json(plan.trials[i]));
  }
  fmt::print("{}\n", out.dump(2));
}

// For trials that were never run: what changed against the nearest one of the sweep that was.
std::vector<std::string> explain(const sweep::Plan& plan, const std::vector<run::Decision>& decisions,
                                 const store::Store& store) {
  store::RowFilter filter;
  filter.sweep = plan.name;
  filter.columns = {"key", "status"};
  std::vector<sweep::KnownTrial> known;
  for (const auto& row : store.trial_rows(filter)) {
    if (row.at("status") == "queued") continue;
    auto trial = store.trial(row.at("key").get<std::string>());
    known.push_back({trial.key, std::move(trial.canonical), std::move(trial.config)});
  }
  std::vector<std::string> out;
  for (std::size_t i = 0; i < plan.trials.size(); ++i) {
    out.emplace_back();
    if (decisions[i].action != run::Action::run) continue;
    const auto& trial = plan.trials[i];
    const auto nearest = sweep::nearest_changed(trial.settings, trial.identity, known);
    if (!nearest || nearest->changes.empty()) continue;
    std::vector<std::string> changes;
    for (const sweep::Change& change : nearest->changes) {
      changes.push_back(
          fmt::format("{}: {} → {}", change.key, change.before.dump(), change.after.dump()));
    }
    out.back() = fmt::format("against {}: {}", nearest->key.substr(0, 12), join(changes, "; "));
  }
  return out;
}

ExitCode run_plan(const Options& options) {
  const auto store = store::Store::open_if_exists(options.database);
  sweep::LoadedPlan loaded = load(options, store ? &*store : nullptr);
  const auto decisions = run::decide(loaded.plan, store ? &*store : nullptr, decide_options(options));
  estimate(loaded.plan, decisions);
  std::vector<std::string> why;
  if (options.why && store) why = explain(loaded.plan, decisions, *store);
  print_lints(loaded.plan);
  if (options.json) {
    print_json(loaded.plan, decisions, why, options.layers);
    return ExitCode::kOk;
  }
  print_plan(loaded, decisions, why);
  if (options.layers) {
    for (const sweep::PlannedTrial& trial : loaded.plan.trials) print_layers(trial);
  }
  return ExitCode::kOk;
}

}  // namespace

void register_plan(Registry<Command>& registry) {
  registry.add({"plan", "Show the trials of a sweep, and why each will or will not run",
                [](CLI::App& app) {
                  auto options = std::make_shared<Options>();
                  add_plan_options(app, *options);
                  app.add_flag("--layers", options->layers,
                               "The resolved bit map of every trial with MACs, BOPs and bytes");
                  app.add_flag("--why", options->why,
                               "For trials that were never run: what changed against the nearest "
                               "one that was");
                  app.add_flag("--json", options->json, "JSON");
                  app.footer(
                      "Writes nothing.\nExamples:\n  bitsweep plan sweeps/quickstart.toml\n"
                      "  bitsweep plan experiments/cifar10/resnet20_ptq.toml quant.weight.bits=2..4 "
                      "--layers");
                  return std::function<ExitCode()>([options] { return run_plan(*options); });
                }});
}

}  // namespace bitsweep::cli
