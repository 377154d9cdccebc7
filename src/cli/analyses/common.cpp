#include "cli/analyses/common.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <set>

#include "core/text.h"
#include "graph/layers.h"
#include "report/format.h"
#include "report/pareto.h"
#include "report/plot_style.h"

namespace bitsweep::cli {
namespace {

constexpr int kMostBits = 16;

int parse_width(std::string_view text, const std::string& whole, const std::string& what) {
  int bits = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bits);
  const bool is_number = error == std::errc{} && end == text.data() + text.size();
  if (is_number && bits >= 1 && bits <= kMostBits) return bits;
  throw ConfigError(
      fmt::format("{} {}: '{}' is no width; expected numbers from 1 to {}, as in "
                  "2,4,8 or 2..8",
                  what, whole, text, kMostBits));
}

std::string data_block(const std::string& name, const std::string& lines) {
  return fmt::format("${} << EOD\n{}EOD\n", name, lines);
}

std::string plot_points(const std::vector<report::CostPoint>& points) {
  std::string out;
  for (const report::CostPoint& point : points) {
    out += fmt::format("{} {}\n", report::number(point.cost), report::number(point.accuracy));
  }
  return out;
}

struct Ranges {
  std::pair<double, double> x;
  std::pair<double, double> y;
};

Ranges ranges_of(const std::vector<PointClass>& classes) {
  constexpr double kMargin = 0.06;
  double x0 = INFINITY, x1 = -INFINITY, y0 = INFINITY, y1 = -INFINITY;
  for (const PointClass& one : classes) {
    for (const auto& [x, y] : one.points) {
      x0 = std::min(x0, x);
      x1 = std::max(x1, x);
      y0 = std::min(y0, y);
      y1 = std::max(y1, y);
    }
  }
  return {report::padded_range(x0, x1, kMargin), report::padded_range(y0, y1, kMargin)};
}

std::string axes_script(const std::vector<PointClass>& classes, const std::string& x_heading,
                        const std::string& y_heading) {
  const Ranges ranges = ranges_of(classes);
  std::string script = report::plot_frame();
  script += fmt::format("set xrange [{}:{}]\nset yrange [{}:{}]\n", report::number(ranges.x.first),
                        report::number(ranges.x.second), report::number(ranges.y.first),
                        report::number(ranges.y.second));
  script += "set xlabel " + report::gnuplot_string(x_heading) + "\n";
  script += "set ylabel " + report::gnuplot_string(y_heading) + "\n";
  return script;
}

// The data of each class as $c0, $c1, …, and what plots them with `style`.
std::string plot_classes(const std::vector<PointClass>& classes, const std::string& style,
                         std::string& script) {
  std::string plot;
  for (std::size_t c = 0; c < classes.size(); ++c) {
    if (classes[c].points.empty()) continue;
    std::string data;
    for (const auto& [x, y] : classes[c].points) {
      data += fmt::format("{} {}\n", report::number(x), report::number(y));
    }
    const std::size_t look = c % report::kColours.size();
    script += data_block(fmt::format("c{}", c), data);
    plot += fmt::format("{}$c{} using 1:2 with {} pt {} ps 1.3 lw 1.5 lc rgb '{}' title {}",
                        plot.empty() ? "" : ", ", c, style, report::kShapes[look],
                        report::kColours[look], report::gnuplot_string(classes[c].title));
  }
  return plot;
}

}  // namespace

void add_knob_options(CLI::App& app, KnobOptions& options) {
  app.add_option("--tensors", options.tensors, "What is varied: weight, activation or both")
      ->check(CLI::IsMember({"weight", "activation", "both"}))
      ->capture_default_str();
  app.add_option("--layers", options.layers,
                 "Only layers whose whole name this regular expression matches")
      ->capture_default_str();
}

std::vector<std::size_t> turned_knobs(const search::Recipe& recipe, const KnobOptions& options) {
  const graph::LayerPattern pattern(options.layers, "--layers");
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < recipe.knobs().size(); ++i) {
    const search::Knob& knob = recipe.knobs()[i];
    const bool is_kind = options.tensors == "both" || options.tensors == to_string(knob.tensor);
    if (is_kind && pattern.matches(knob.layer)) out.push_back(i);
  }
  if (!out.empty()) return out;
  throw ConfigError(fmt::format(
      "--tensors {} --layers '{}' leaves nothing of what the recipe quantizes; {}", options.tensors,
      options.layers,
      unknown_name_message("layer", options.layers, graph::layer_names(recipe.graph()))));
}

std::vector<int> parse_widths(const std::string& text, const std::string& what) {
  std::set<int> out;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    const std::string_view part = std::string_view(text).substr(begin, comma - begin);
    const std::size_t dots = part.find("..");
    const int first = parse_width(part.substr(0, dots), text, what);
    const int last =
        dots == std::string_view::npos ? first : parse_width(part.substr(dots + 2), text, what);
    if (last < first) {
      throw ConfigError(fmt::format("{} {}: {} comes after {}", what, text, first, last));
    }
    for (int bits = first; bits <= last; ++bits) out.insert(bits);
    begin = comma + 1;
  }
  return {out.begin(), out.end()};
}

report::Document begin_document(const Evaluator& evaluator, const AnalysisOptions& options,
                                const std::string& title, const Measured& reference) {
  report::Document out;
  out.title = title;
  const config::Settings& recipe = evaluator.recipe();
  const auto text = [&](const char* key) { return config::format_bare(recipe.get(key)); };
  report::List list;
  report::Text command("Made by: ");
  command.add(study_command(options), report::Style::code);
  list.items.push_back(std::move(command));
  list.items.emplace_back(fmt::format("Network: {} on {}", text("model.name"), text("data.name")));
  list.items.emplace_back(fmt::format("Recipe: scheme {}, weights {} bits, activations {} bits",
                                      text("quant.scheme"), text("quant.weight.bits"),
                                      text("quant.activation.bits")));
  const double n = static_cast<double>(reference.images);
  const double noise = std::sqrt(reference.top1 * (1 - reference.top1) / n);
  list.items.emplace_back(
      fmt::format("Measured on {} images: one standard deviation of an accuracy is {} points, of "
                  "differences on the same images less",
                  format_count(reference.images), report::format_percent(noise)));
  report::Text trials("Trials: the sweep ");
  trials.add(evaluator.name(), report::Style::code).add(" of the database");
  list.items.push_back(std::move(trials));
  out.blocks.emplace_back(std::move(list));
  return out;
}

void end_document(const Evaluator& evaluator, report::Document& document) {
  if (evaluator.lints().empty()) return;
  report::List list;
  for (const std::string& lint : evaluator.lints()) list.items.emplace_back(lint);
  document.blocks.emplace_back(report::Heading{2, "Lints"});
  document.blocks.emplace_back(std::move(list));
}

ExitCode finish(const Evaluator& evaluator, const report::Study& study) {
  const auto path = report::write_study(study, evaluator.folder());
  fmt::print("{}\n", path.string());
  std::fflush(stdout);
  evaluator.print_tally();
  return ExitCode::kOk;
}

report::Text percent_cell(const Measured& measured) {
  return report::format_percent(measured.top1);
}

std::string loss_text(double loss) { return fmt::format("{:.4f}", loss); }

std::string signed_text(double difference) {
  const std::string digits = fmt::format("{:.4f}", std::abs(difference));
  if (digits == "0.0000") return digits;
  return (difference < 0 ? "−" : "+") + digits;
}

report::Picture bars(const std::vector<std::string>& labels, const std::vector<BarSeries>& series,
                     const std::string& heading) {
  constexpr int kRowHeight = 22;
  constexpr int kAround = 130;
  report::Picture out;
  out.height = kAround + kRowHeight * static_cast<int>(labels.size());
  out.script = report::plot_frame();
  const double rows = static_cast<double>(labels.size());
  out.script += fmt::format("set yrange [{}:-1]\nset style fill solid\n", rows);
  out.script += "set xlabel " + report::gnuplot_string(heading) + "\nset ytics (";
  for (std::size_t i = 0; i < labels.size(); ++i) {
    out.script += fmt::format("{}{} {}", i == 0 ? "" : ", ", report::gnuplot_tic(labels[i]), i);
  }
  out.script += ")\nset arrow from 0, graph 0 to 0, graph 1 nohead lc rgb '#666666'\n";
  const double thick = 0.8 / static_cast<double>(series.size());
  std::string plot;
  for (std::size_t s = 0; s < series.size(); ++s) {
    std::string data;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const double top = static_cast<double>(i) - 0.4 + thick * static_cast<double>(s);
      const double value = series[s].values[i];
      data +=
          fmt::format("{} {} {} {} {} {}\n", report::number(value), report::number(top),
                      report::number(std::min(0.0, value)), report::number(std::max(0.0, value)),
                      report::number(top), report::number(top + thick));
    }
    out.script += data_block(fmt::format("b{}", s), data);
    plot += fmt::format("{}$b{} using 1:2:3:4:5:6 with boxxyerror lc rgb '{}' title {}",
                        s == 0 ? "plot " : ", ", s, report::kColours[s % report::kColours.size()],
                        report::gnuplot_string(series[s].title));
  }
  out.script += plot + "\n";
  return out;
}

report::Picture staircase(const std::vector<PointClass>& classes, const std::string& cost_heading,
                          const std::string& accuracy_heading) {
  std::vector<report::CostPoint> all;
  for (const PointClass& one : classes) {
    for (const auto& [cost, accuracy] : one.points) all.push_back({cost, accuracy});
  }
  report::Picture out;
  out.script = axes_script(classes, cost_heading, accuracy_heading);
  std::vector<report::CostPoint> corners;
  for (const std::size_t i : report::pareto_front(all)) {
    if (!corners.empty()) corners.push_back({all[i].cost, corners.back().accuracy});
    corners.push_back(all[i]);
  }
  out.script += data_block("front", plot_points(corners));
  const std::string plot = plot_classes(classes, "points", out.script);
  out.script +=
      "plot $front using 1:2 with lines lw 2 lc rgb '#999999' title 'Pareto staircase', " + plot +
      "\n";
  return out;
}

report::Picture lines(const std::vector<PointClass>& series, const std::string& x_heading,
                      const std::string& y_heading) {
  report::Picture out;
  out.script = axes_script(series, x_heading, y_heading);
  const std::string plot = plot_classes(series, "linespoints", out.script);
  out.script += "plot " + plot + "\n";
  return out;
}

}  // namespace bitsweep::cli
