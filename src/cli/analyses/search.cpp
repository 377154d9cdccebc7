// `analyse search`: widths per layer under a budget of average bits, bytes or bit operations. Each
// tensor is narrowed alone first; the sum of what that costs predicts any combination, by which a
// greedy and an exact choice are made; these are then really evaluated, beside the same width
// everywhere.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <map>
#include <memory>

#include "cli/analyses/common.h"
#include "cli/analysis.h"
#include "core/escape.h"
#include "core/text.h"
#include "report/pareto.h"
#include "search/plan.h"

namespace bitsweep::cli {
namespace {

struct Options : AnalysisOptions, KnobOptions {
  Options() { tensors = "weight"; }
  std::string widths = "2,3,4,6,8";
  std::string cost = "bits";
  std::vector<std::string> budgets;
  int points = 6;
};

std::vector<double> parse_budgets(const std::vector<std::string>& texts) {
  std::vector<double> out;
  for (const std::string& text : texts) {
    double budget = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), budget);
    const bool is_number = error == std::errc{} && end == text.data() + text.size();
    if (!is_number || !(budget > 0)) {
      throw ConfigError(fmt::format(
          "--budget {}: expected a positive number in the unit of --cost, as in 3.5", text));
    }
    out.push_back(budget);
  }
  std::ranges::sort(out);
  return out;
}

std::string cost_heading(const Options& options) {
  if (options.cost == "bytes") return "bytes of weights and scales";
  if (options.cost == "bops") return "bit operations an image";
  return options.tensors == "activation" ? "average bits of an activation"
                                         : "average bits of a weight";
}

std::string cost_text(double cost) {
  return cost < 100 ? fmt::format("{:.3f}", cost) : format_count(std::llround(cost));
}

// What each tensor's narrowing alone costs: the first part of a search, and its data.csv.
struct Alone {
  Measured reference;  // every turned tensor at the widest width
  std::vector<std::vector<double>> degradations;
  std::string csv;
};

std::optional<Alone> measure_alone(const search::SearchSpace& space, Evaluator& evaluator) {
  const search::Recipe& recipe = space.recipe;
  search::Widths widest(recipe.knobs().size());
  for (const std::size_t knob : space.turned) widest[knob] = space.candidates.front();
  std::vector<Variation> variations = {{"reference", recipe.with(widest)}};
  for (const std::size_t knob : space.turned) {
    for (std::size_t c = 1; c < space.candidates.size(); ++c) {
      search::Widths widths = widest;
      widths[knob] = space.candidates[c];
      variations.push_back({fmt::format("{}={}", recipe.knobs()[knob].name(), space.candidates[c]),
                            recipe.with(widths)});
    }
  }
  const auto measured = evaluator.measure(variations);
  if (!measured) return std::nullopt;
  Alone out{measured->front(), {}, ""};
  const double floor = evaluator.badness(out.reference);
  std::size_t next = 1;
  for (const std::size_t knob : space.turned) {
    std::vector<double>& of_knob = out.degradations.emplace_back(1, 0.0);
    for (std::size_t c = 1; c < space.candidates.size(); ++c, ++next) {
      const Measured& one = (*measured)[next];
      of_knob.push_back(evaluator.badness(one) - floor);
      out.csv += fmt::format("alone,{},{},,,,{},{},{},{},{},{}\n",
                             escape_csv(recipe.knobs()[knob].name()), space.candidates[c],
                             of_knob.back(), one.key, one.images, one.correct, one.top1, one.loss);
    }
  }
  return out;
}

struct Found {
  search::Candidate candidate;
  Measured measured;
};

// "conv1.weight=8 layer1.0.conv1.weight=4 …" of the turned knobs.
std::string widths_text(const search::SearchSpace& space, const search::Candidate& candidate) {
  std::vector<std::string> parts;
  for (const std::size_t knob : space.turned) {
    parts.push_back(
        fmt::format("{}={}", space.recipe.knobs()[knob].name(), *candidate.widths[knob]));
  }
  return join(parts, " ");
}

std::optional<std::vector<Found>> measure_found(const search::SearchSpace& space,
                                                std::vector<search::Candidate> candidates,
                                                Evaluator& evaluator) {
  std::vector<Variation> variations;
  for (const search::Candidate& candidate : candidates) {
    variations.push_back({fmt::format("{}={}", candidate.method, cost_text(candidate.budget)),
                          space.recipe.with(candidate.widths)});
  }
  const auto measured = evaluator.measure(variations);
  if (!measured) return std::nullopt;
  std::vector<Found> out;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    out.push_back({std::move(candidates[i]), (*measured)[i]});
  }
  return out;
}

std::vector<std::size_t> front_of(const std::vector<Found>& found) {
  std::vector<report::CostPoint> points;
  for (const Found& one : found) points.push_back({one.candidate.cost, one.measured.top1});
  return report::pareto_front(points);
}

report::Table table_of(const std::vector<Found>& found, const Measured& reference,
                       const Evaluator& evaluator) {
  report::Table out;
  out.caption = "Every point that was evaluated, by cost; * on the Pareto front";
  const std::string heading = evaluator.badness_heading();
  out.columns = {{"chosen by", report::Align::left},
                 {"budget", report::Align::right},
                 {"cost", report::Align::right},
                 {"predicted " + heading + " added", report::Align::right},
                 {"measured " + heading + " added", report::Align::right},
                 {"top1 (%)", report::Align::right},
                 {"loss", report::Align::right},
                 {"", report::Align::left}};
  const std::vector<std::size_t> front = front_of(found);
  std::vector<std::size_t> order(found.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    return found[a].candidate.cost < found[b].candidate.cost;
  });
  for (const std::size_t i : order) {
    const search::Candidate& candidate = found[i].candidate;
    const bool unproved = candidate.method == "exact" && !candidate.is_optimal;
    const double added = evaluator.badness(found[i].measured) - evaluator.badness(reference);
    out.rows.push_back(
        {{candidate.method + (unproved ? " (not proved optimal)" : ""),
          candidate.method == "uniform" ? "" : cost_text(candidate.budget),
          cost_text(candidate.cost), signed_text(candidate.degradation), signed_text(added),
          percent_cell(found[i].measured), loss_text(found[i].measured.loss),
          std::ranges::find(front, i) != front.end() ? "*" : ""},
         ""});
  }
  return out;
}

report::Table widths_table(const search::SearchSpace& space, const std::vector<Found>& found) {
  report::Table out;
  out.caption = "Widths of the points on the Pareto front";
  out.columns = {{"tensor", report::Align::left}};
  const std::vector<std::size_t> front = front_of(found);
  for (const std::size_t i : front) {
    out.columns.push_back({found[i].candidate.method + " " + cost_text(found[i].candidate.cost),
                           report::Align::right});
  }
  for (const std::size_t knob : space.turned) {
    report::Row row{{space.recipe.knobs()[knob].name()}, ""};
    for (const std::size_t i : front) {
      row.cells.emplace_back(std::to_string(*found[i].candidate.widths[knob]));
    }
    out.rows.push_back(std::move(row));
  }
  return out;
}

report::Drawing figure(const std::vector<Found>& found, const std::string& heading) {
  std::vector<PointClass> classes = {
      {"the same width everywhere", {}}, {"greedy", {}}, {"exact", {}}};
  std::string csv = "method,budget,cost,top1,on_front\n";
  const std::vector<std::size_t> front = front_of(found);
  for (std::size_t i = 0; i < found.size(); ++i) {
    const search::Candidate& candidate = found[i].candidate;
    const std::size_t at = candidate.method == "uniform" ? 0 : candidate.method == "greedy" ? 1 : 2;
    classes[at].points.emplace_back(candidate.cost, 100 * found[i].measured.top1);
    csv += fmt::format("{},{},{},{},{}\n", candidate.method, candidate.budget, candidate.cost,
                       found[i].measured.top1, std::ranges::find(front, i) != front.end());
  }
  return {"search", "Accuracy against " + heading, staircase(classes, heading, "top1 (%)"), csv};
}

ExitCode run(const Options& options) {
  std::vector<int> widths = parse_widths(options.widths, "--widths");
  if (widths.size() < 2) {
    throw ConfigError(
        fmt::format("--widths {}: expected at least two to choose from", options.widths));
  }
  std::ranges::reverse(widths);
  const std::vector<double> given = parse_budgets(options.budgets);
  Evaluator evaluator(options, "search");
  const search::Recipe recipe(evaluator.recipe());
  search::SearchSpace space{
      recipe, search::cost_named(options.cost), turned_knobs(recipe, options), widths, {}};
  // A budget that cannot be met is told before anything is measured.
  space.degradations.assign(space.turned.size(), std::vector<double>(widths.size(), 0));
  const std::vector<double> budgets =
      given.empty() ? search::spread_budgets(space, static_cast<std::size_t>(options.points))
                    : given;
  static_cast<void>(search::find_candidates(space, budgets));

  const auto stopped = [&] {
    evaluator.print_tally();
    return evaluator.exit_code();
  };
  auto alone = measure_alone(space, evaluator);
  if (!alone) return stopped();
  space.degradations = alone->degradations;
  const auto found = measure_found(space, search::find_candidates(space, budgets), evaluator);
  if (!found) return stopped();

  report::Study study;
  const std::string heading = cost_heading(options);
  study.document = begin_document(
      evaluator, options, fmt::format("{}: widths under a budget of {}", evaluator.name(), heading),
      alone->reference);
  auto& blocks = study.document.blocks;
  blocks.emplace_back(report::Paragraph{fmt::format(
      "Widths {} for each of {} tensors; what is not varied stays as the recipe has it. Every "
      "tensor "
      "was narrowed alone, with all others at {} bits ({} %, loss {}); the predicted {} of a "
      "combination is the sum of these. \"exact\" is the combination of least predicted {} within "
      "its budget (integer program); \"greedy\" narrows, step by step, what costs least for what "
      "it "
      "saves.",
      options.widths, space.turned.size(), widths.front(), percent_cell(alone->reference).plain(),
      loss_text(alone->reference.loss), evaluator.badness_heading(), evaluator.badness_heading())});
  study.drawings.push_back(figure(*found, heading));
  blocks.emplace_back(report::FigureBlock{"search", study.drawings.back().caption});
  blocks.emplace_back(table_of(*found, alone->reference, evaluator));
  blocks.emplace_back(widths_table(space, *found));
  end_document(evaluator, study.document);
  study.csv =
      "part,what,bits,budget,cost,optimal,predicted,key,images,correct,top1,loss\n" + alone->csv;
  for (const Found& one : *found) {
    const search::Candidate& candidate = one.candidate;
    study.csv += fmt::format("{},{},,{},{},{},{},{},{},{},{},{}\n", candidate.method,
                             escape_csv(widths_text(space, candidate)), candidate.budget,
                             candidate.cost, candidate.is_optimal, candidate.degradation,
                             one.measured.key, one.measured.images, one.measured.correct,
                             one.measured.top1, one.measured.loss);
  }
  return finish(evaluator, study);
}

}  // namespace

void register_search(Registry<Analysis>& registry) {
  registry.add(
      {"search", "Widths per layer under a budget of average bits, bytes or bit operations",
       [](CLI::App& app) {
         auto options = std::make_shared<Options>();
         add_analysis_options(app, *options, "search");
         add_knob_options(app, *options);
         app.add_option("--widths", options->widths, "Widths to choose from, as in 2..8")
             ->capture_default_str();
         app.add_option("--cost", options->cost, "What the budget is of: bits, bytes or bops")
             ->check(CLI::IsMember({"bits", "bytes", "bops"}))
             ->capture_default_str();
         app.add_option("--budget", options->budgets,
                        "Most that a point may cost; several are a curve (default: --points "
                        "budgets between the narrowest and the widest)")
             ->delimiter(',');
         app.add_option("--points", options->points, "Budgets where none is given")
             ->check(CLI::Range(1, 100))
             ->capture_default_str();
         app.footer(
             "First every tensor at every width alone, then the chosen points; what is done is "
             "not\n"
             "run again.\n"
             "Examples:\n"
             "  bitsweep analyse search experiments/cifar10/resnet20_ptq.toml --budget 3,3.5,4\n"
             "  bitsweep analyse search experiments/cifar10/resnet20_ptq.toml --tensors both \\\n"
             "    --cost bops --widths 2..8");
         return std::function<ExitCode()>([options] { return run(*options); });
       }});
}

}  // namespace bitsweep::cli
