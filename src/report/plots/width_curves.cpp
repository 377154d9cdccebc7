// Accuracy over the common width of weights and activations (2 to 5 bits, say): a line for each
// method, a panel for each value of the first axis that the method does not name.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "core/escape.h"
#include "report/axes.h"
#include "report/format.h"
#include "report/plot.h"
#include "report/plot_style.h"

namespace bitsweep::report {
namespace {

constexpr std::size_t kMostPanels = 4;
constexpr std::size_t kFewestWidths = 3;  // of a line

struct Point {
  const Group* group = nullptr;
  int bits = 0;
  double accuracy = 0;
};

struct Line {
  std::string label;
  std::map<int, Point> points;  // by bits
};

struct Panel {
  std::string label;
  std::vector<Line> lines;
  std::optional<double> full_precision;
};

std::vector<Point> points_of(const std::vector<Group>& groups, const std::string& metric) {
  std::vector<Point> points;
  for (const Group& group : groups) {
    const nlohmann::json weight = group.value_of("quant.weight.bits");
    const nlohmann::json activation = group.value_of("quant.activation.bits");
    const auto ours = estimate(group, metric);
    if (!ours || !weight.is_number_integer() || weight != activation) continue;
    if (group.value_of("quant.scheme") == "none") continue;
    points.push_back({&group, weight.get<int>(), ours->sample.mean});
  }
  return points;
}

template <class Items>
typename Items::value_type& named(Items& items, const std::string& label) {
  const auto at =
      std::ranges::find_if(items, [&](const auto& item) { return item.label == label; });
  if (at != items.end()) return *at;
  items.emplace_back();
  items.back().label = label;
  return items.back();
}

// The accuracy without quantization beside `panel_axes` with the values that `label` stands for.
std::optional<double> full_precision(const std::vector<Group>& groups,
                                     const std::vector<std::string>& panel_axes,
                                     const std::string& label, const std::string& metric) {
  for (const Group& group : groups) {
    if (group.value_of("quant.scheme") != "none") continue;
    const auto ours = estimate(group, metric);
    const bool same = panel_axes.empty() || short_label(group, panel_axes) == label;
    if (ours && same) return ours->sample.mean;
  }
  return std::nullopt;
}

std::vector<Panel> panels_of(const std::vector<Group>& groups, const std::string& metric) {
  const std::vector<Point> points = points_of(groups, metric);
  std::vector<const Group*> members;
  for (const Point& point : points) members.push_back(point.group);
  std::vector<std::string> line_axes =
      undecided_axes(members, varying_axes(groups), {"quant.weight.bits", "quant.activation.bits"});
  std::vector<std::string> panel_axes;
  if (line_axes.size() > 1) {
    panel_axes.push_back(line_axes.front());
    line_axes.erase(line_axes.begin());
  }
  std::vector<Panel> panels;
  for (const Point& point : points) {
    Panel& panel = named(panels, panel_axes.empty() ? "" : short_label(*point.group, panel_axes));
    Line& line = named(panel.lines, line_axes.empty() ? "" : short_label(*point.group, line_axes));
    line.points.emplace(point.bits, point);
  }
  for (Panel& panel : panels) {
    std::erase_if(panel.lines, [](const Line& line) { return line.points.size() < kFewestWidths; });
    panel.full_precision = full_precision(groups, panel_axes, panel.label, metric);
  }
  std::erase_if(panels, [](const Panel& panel) { return panel.lines.empty(); });
  return panels;
}

std::string plot_command(const Panel& panel, std::size_t first_block) {
  std::string plot;
  if (panel.full_precision) {
    plot = fmt::format("{} with lines dt 2 lw 1.5 lc rgb '#666666' title 'full precision'",
                       number(100 * *panel.full_precision));
  }
  for (std::size_t l = 0; l < panel.lines.size(); ++l) {
    plot += fmt::format(
        "{}$line{} using 1:2 with linespoints lw 2 pt {} ps 1.3 lc rgb '{}' {}",
        plot.empty() ? "" : ", ", first_block + l, kShapes[l], kColours[l],
        panel.lines[l].label.empty() ? "notitle" : "title " + gnuplot_string(panel.lines[l].label));
  }
  return "plot " + plot + "\n";
}

// The key stands once, over the panels: they have the same lines.
Picture picture_of(const std::vector<Panel>& panels, const std::string& metric) {
  int narrowest = panels.front().lines.front().points.begin()->first;
  int widest = narrowest;
  std::string script = plot_frame();
  std::size_t blocks = 0;
  for (const Panel& panel : panels) {
    for (const Line& line : panel.lines) {
      script += fmt::format("$line{} << EOD\n", blocks++);
      for (const auto& [bits, point] : line.points) {
        script += fmt::format("{} {}\n", bits, number(100 * point.accuracy));
        narrowest = std::min(narrowest, bits);
        widest = std::max(widest, bits);
      }
      script += "EOD\n";
    }
  }
  script += fmt::format("set xrange [{}:{}]\nset yrange [0:100]\nset xtics 1\n",
                        number(narrowest - 0.25), number(widest + 0.25));
  script += "set xlabel 'bits of weights and activations'\n";
  script += fmt::format("set multiplot layout 1,{} margins 0.08,0.98,0.13,0.8 spacing 0.035,0\n",
                        panels.size());
  script += "set key at screen 0.07,0.985 top left horizontal Left reverse maxrows 2\n";
  script += "set ylabel " + gnuplot_string(metric_heading(metric)) + "\n";
  blocks = 0;
  for (const Panel& panel : panels) {
    if (!panel.label.empty()) {
      script += "set title " + gnuplot_string(panel.label) + " offset 0,-0.6\n";
    }
    script += plot_command(panel, blocks);
    blocks += panel.lines.size();
    script += "unset key\nunset ylabel\nset format y ''\n";
  }
  Picture picture;
  picture.height = 480;
  picture.script = script + "unset multiplot\n";
  return picture;
}

Plots draw(const PlotInput& input) {
  Plots out;
  const std::vector<std::string> metrics = accuracy_metrics(input.groups);
  if (metrics.empty()) return out;
  const std::string& metric = metrics.front();
  std::vector<Panel> panels = panels_of(input.groups, metric);
  if (panels.empty()) {
    out.skipped.push_back(fmt::format(
        "accuracy over width: no method has weights and activations of one width at {} widths",
        kFewestWidths));
    return out;
  }
  const bool is_legible = panels.size() <= kMostPanels && std::ranges::all_of(panels, [](auto& p) {
                            return p.lines.size() <= kColours.size();
                          });
  if (!is_legible) {
    out.skipped.push_back(fmt::format("accuracy over width: more than {} panels or {} lines in one",
                                      kMostPanels, kColours.size()));
    return out;
  }
  Drawing drawing;
  drawing.id = "width-curves";
  drawing.caption = metric_heading(metric) + " over the common width of weights and activations.";
  drawing.picture = picture_of(panels, metric);
  drawing.csv = "cell,panel,line,bits," + escape_csv(metric) + "\r\n";
  for (const Panel& panel : panels) {
    for (const Line& line : panel.lines) {
      for (const auto& [bits, point] : line.points) {
        drawing.csv +=
            fmt::format("{},{},{},{},{}\r\n", point.group->anchor, escape_csv(panel.label),
                        escape_csv(line.label), bits, number(point.accuracy));
      }
    }
  }
  out.drawings.push_back(std::move(drawing));
  return out;
}

}  // namespace

void register_width_curves(Registry<Plot>& registry) {
  registry.add({"width_curves", "Accuracy over the common width of weights and activations", draw});
}

}  // namespace bitsweep::report
