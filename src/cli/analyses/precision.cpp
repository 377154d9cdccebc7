// `analyse precision`: accuracy over all widths of weights and activations.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/analyses/common.h"
#include "cli/analysis.h"
#include "report/format.h"

namespace bitsweep::cli {
namespace {

struct Options : AnalysisOptions {
  std::string tensors = "both";
  std::string widths = "2..8";
};

constexpr int kAsRecipe = 0;

struct Point {
  int weight = kAsRecipe;
  int activation = kAsRecipe;
  Measured measured;
};

std::string width_text(int bits) { return bits == kAsRecipe ? "recipe" : std::to_string(bits); }

std::vector<Point> grid(const std::vector<int>& widths, const std::string& tensors) {
  const std::vector<int> as_recipe = {kAsRecipe};
  std::vector<Point> out;
  for (const int weight : tensors == "activation" ? as_recipe : widths) {
    for (const int activation : tensors == "weight" ? as_recipe : widths) {
      out.push_back({weight, activation, {}});
    }
  }
  return out;
}

Variation variation(const config::Settings& recipe, const Point& point) {
  Variation out{fmt::format("weight={},activation={}", width_text(point.weight),
                            width_text(point.activation)),
                recipe};
  const auto set = [&](const char* key, int bits) {
    if (bits != kAsRecipe) out.settings.set(key, std::int64_t{bits}, "analysis");
  };
  set("quant.weight.bits", point.weight);
  set("quant.activation.bits", point.activation);
  return out;
}

report::Table table_of(const std::vector<Point>& points, const std::vector<int>& widths,
                       const std::string& tensors) {
  report::Table out;
  out.caption = "top1 (%)";
  const bool by_activation = tensors != "weight";
  out.columns = {{"weight bits", report::Align::left}};
  if (!by_activation) out.columns.push_back({"activations as the recipe", report::Align::right});
  for (const int bits : by_activation ? widths : std::vector<int>{}) {
    out.columns.push_back({fmt::format("A{}", bits), report::Align::right});
  }
  for (const Point& point : points) {
    if (out.rows.empty() || out.rows.back().cells.size() == out.columns.size()) {
      out.rows.push_back({{width_text(point.weight)}, ""});
    }
    out.rows.back().cells.push_back(percent_cell(point.measured));
  }
  return out;
}

// One line of accuracies for each width of activations, over the widths of weights; or the other
// way round where weights stay as the recipe has them.
report::Drawing figure(const std::vector<Point>& points, const std::string& tensors) {
  const bool over_weights = tensors != "activation";
  std::vector<PointClass> series;
  std::vector<int> of_series;
  std::string csv = "weight_bits,activation_bits,top1\n";
  for (const Point& point : points) {
    const int other = over_weights ? point.activation : point.weight;
    std::size_t at = 0;
    while (at < of_series.size() && of_series[at] != other) ++at;
    if (at == of_series.size()) {
      of_series.push_back(other);
      const char* kind = over_weights ? "activations" : "weights";
      series.push_back({other == kAsRecipe ? fmt::format("{} as the recipe", kind)
                                           : fmt::format("{} {} bits", kind, other),
                        {}});
    }
    series[at].points.emplace_back(over_weights ? point.weight : point.activation,
                                   100 * point.measured.top1);
    csv += fmt::format("{},{},{}\n", width_text(point.weight), width_text(point.activation),
                       point.measured.top1);
  }
  return {"precision", "Accuracy over widths",
          lines(series, over_weights ? "bits of weights" : "bits of activations", "top1 (%)"), csv};
}

ExitCode run(const Options& options) {
  const std::vector<int> widths = parse_widths(options.widths, "--widths");
  Evaluator evaluator(options, "precision");
  std::vector<Point> points = grid(widths, options.tensors);
  std::vector<Variation> variations = {{"recipe", evaluator.recipe()}};
  for (const Point& point : points) variations.push_back(variation(evaluator.recipe(), point));
  const auto measured = evaluator.measure(variations);
  if (!measured) {
    evaluator.print_tally();
    return evaluator.exit_code();
  }
  report::Study study;
  study.csv = "weight_bits,activation_bits,key,images,correct,top1,loss\n";
  for (std::size_t i = 0; i < points.size(); ++i) {
    const Measured& one = points[i].measured = (*measured)[i + 1];
    study.csv += fmt::format("{},{},{},{},{},{},{}\n", width_text(points[i].weight),
                             width_text(points[i].activation), one.key, one.images, one.correct,
                             one.top1, one.loss);
  }
  study.document = begin_document(evaluator, options, evaluator.name() + ": accuracy over widths",
                                  measured->front());
  auto& blocks = study.document.blocks;
  study.drawings.push_back(figure(points, options.tensors));
  blocks.emplace_back(report::FigureBlock{"precision", study.drawings.back().caption});
  blocks.emplace_back(table_of(points, widths, options.tensors));
  end_document(evaluator, study.document);
  return finish(evaluator, study);
}

}  // namespace

void register_precision(Registry<Analysis>& registry) {
  registry.add(
      {"precision", "Accuracy over all widths of weights and activations", [](CLI::App& app) {
         auto options = std::make_shared<Options>();
         add_analysis_options(app, *options, "precision");
         app.add_option("--widths", options->widths, "Widths, as in 2..8 or 2,3,4,8")
             ->capture_default_str();
         app.add_option("--tensors", options->tensors,
                        "What is varied: weight, activation or both (every pair of widths)")
             ->check(CLI::IsMember({"weight", "activation", "both"}))
             ->capture_default_str();
         app.footer(
             "Policies for first and last layer and [[layer]] rules of the recipe stay as they "
             "are.\n"
             "Example: bitsweep analyse precision experiments/cifar10/resnet20_ptq.toml \\\n"
             "           --widths 2..6 --tensors weight");
         return std::function<ExitCode()>([options] { return run(*options); });
       }});
}

}  // namespace bitsweep::cli
