// Accuracy over weight bits × activation bits, one panel for each combination of the other axes.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "core/escape.h"
#include "report/axes.h"
#include "report/format.h"
#include "report/plot.h"
#include "report/plot_style.h"

namespace bitsweep::report {
namespace {

constexpr std::size_t kMostPanels = 4;
constexpr double kPanelGap = 0.7;  // cells

struct Cell {
  const Group* group = nullptr;
  int weight_bits = 0;
  int activation_bits = 0;
  double accuracy = 0;
  std::string panel;
};

std::optional<int> bits_of(const Group& group, const char* key) {
  const nlohmann::json value = group.value_of(key);
  if (value.is_number_integer()) return value.get<int>();
  return std::nullopt;
}

std::vector<Cell> cells_of(const std::vector<Group>& groups, const std::string& metric) {
  std::vector<Cell> cells;
  for (const Group& group : groups) {
    const auto weight = bits_of(group, "quant.weight.bits");
    const auto activation = bits_of(group, "quant.activation.bits");
    const auto ours = estimate(group, metric);
    if (group.value_of("quant.scheme") == "none" || !weight || !activation || !ours) continue;
    cells.push_back({&group, *weight, *activation, ours->sample.mean, ""});
  }
  return cells;
}

// Axes that the two bit widths do not decide tell the panels apart.
void name_panels(std::vector<Cell>& cells, const std::vector<std::string>& axes) {
  std::vector<const Group*> groups;
  for (const Cell& cell : cells) groups.push_back(cell.group);
  const auto others = undecided_axes(groups, axes, {"quant.weight.bits", "quant.activation.bits"});
  for (Cell& cell : cells) cell.panel = others.empty() ? "" : short_label(*cell.group, others);
}

// cividis (Nuñez, Anderton & Renslow 2018) at five stops: light is high, also in grey and for every
// colour vision. share: 0 … 1.
struct Shade {
  std::string colour;
  bool is_dark = false;
};
Shade shade_of(double share) {
  constexpr std::array<std::array<double, 3>, 5> kStops{
      {{0, 34, 78}, {53, 69, 108}, {124, 123, 120}, {187, 173, 108}, {254, 232, 56}}};
  const double at = std::clamp(share, 0.0, 1.0) * (kStops.size() - 1);
  const auto lower = std::min<std::size_t>(static_cast<std::size_t>(at), kStops.size() - 2);
  std::array<int, 3> rgb{};
  for (std::size_t i = 0; i < 3; ++i) {
    const double between = at - static_cast<double>(lower);
    rgb[i] = static_cast<int>(
        std::lround(kStops[lower][i] + between * (kStops[lower + 1][i] - kStops[lower][i])));
  }
  const double luminance = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
  return {fmt::format("#{:02X}{:02X}{:02X}", rgb[0], rgb[1], rgb[2]), luminance < 128};
}

template <typename Projection>
std::vector<int> sorted_values(const std::vector<Cell>& cells, Projection projection) {
  std::set<int> values;
  for (const Cell& cell : cells) values.insert(projection(cell));
  return {values.begin(), values.end()};
}

std::size_t position(const std::vector<int>& values, int value) {
  return static_cast<std::size_t>(std::find(values.begin(), values.end(), value) - values.begin());
}

Picture picture_of(const std::vector<Cell>& cells, const std::vector<std::string>& panels,
                   const std::vector<int>& weights, const std::vector<int>& activations) {
  double lowest = 1;
  double highest = 0;
  for (const Cell& cell : cells) {
    lowest = std::min(lowest, cell.accuracy);
    highest = std::max(highest, cell.accuracy);
  }
  const auto columns = static_cast<double>(activations.size());
  const auto rows = static_cast<double>(weights.size());
  const double stride = columns + kPanelGap;
  Picture picture;
  picture.height = std::clamp(150 + 64 * static_cast<int>(weights.size()), 260, 620);
  std::string script = plot_frame();
  script += "unset border\nunset grid\nunset key\nset tics scale 0\n";
  script +=
      fmt::format("set xrange [0:{}]\nset yrange [0:{}]\n",
                  number(stride * static_cast<double>(panels.size()) - kPanelGap), number(rows));
  script += "set xlabel 'activation bits'\nset ylabel 'weight bits'\nset tmargin 3\n";
  std::string x_tics;
  for (std::size_t p = 0; p < panels.size(); ++p) {
    const double left = stride * static_cast<double>(p);
    for (std::size_t c = 0; c < activations.size(); ++c) {
      x_tics += fmt::format("{}'{}' {}", x_tics.empty() ? "" : ", ", activations[c],
                            number(left + static_cast<double>(c) + 0.5));
    }
    script += fmt::format("set label {} at {},{} center offset 0,1 textcolor rgb '#333333'\n",
                          gnuplot_string(panels[p]), number(left + columns / 2), number(rows));
  }
  script += "set xtics (" + x_tics + ")\n";
  std::string y_tics;
  for (std::size_t r = 0; r < weights.size(); ++r) {
    y_tics += fmt::format("{}'{}' {}", y_tics.empty() ? "" : ", ", weights[r],
                          number(static_cast<double>(r) + 0.5));
  }
  script += "set ytics (" + y_tics + ")\n";
  int object = 0;
  for (const Cell& cell : cells) {
    const auto panel = std::find(panels.begin(), panels.end(), cell.panel) - panels.begin();
    const double x = stride * static_cast<double>(panel) +
                     static_cast<double>(position(activations, cell.activation_bits));
    const auto y = static_cast<double>(position(weights, cell.weight_bits));
    const double share = highest > lowest ? (cell.accuracy - lowest) / (highest - lowest) : 1;
    const Shade shade = shade_of(share);
    script += fmt::format(
        "set object {} rectangle from {},{} to {},{} fillcolor rgb '{}' fillstyle solid noborder\n",
        ++object, number(x + 0.01), number(y + 0.02), number(x + 0.99), number(y + 0.98),
        shade.colour);
    script += fmt::format("set label '{}' at {},{} center front textcolor rgb '{}'\n",
                          format_percent(cell.accuracy), number(x + 0.5), number(y + 0.5),
                          shade.is_dark ? "#FFFFFF" : "#000000");
  }
  picture.script = script + "plot NaN\n";
  return picture;
}

Plots draw(const PlotInput& input) {
  Plots out;
  const std::vector<std::string> metrics = accuracy_metrics(input.groups);
  if (metrics.empty()) return out;
  const std::string& metric = metrics.front();
  std::vector<Cell> cells = cells_of(input.groups, metric);
  // A point beside the product (fine-tuning of one of its cells, say) is no cell of its own panel.
  const std::vector<std::string> axes = varying_axes(input.groups);
  const auto outside = [&](const Cell& cell) { return is_outside_product(*cell.group, axes); };
  if (!std::ranges::all_of(cells, outside)) std::erase_if(cells, outside);
  const auto weights = sorted_values(cells, [](const Cell& cell) { return cell.weight_bits; });
  const auto activations =
      sorted_values(cells, [](const Cell& cell) { return cell.activation_bits; });
  if (weights.size() < 2 || activations.size() < 2) {
    out.skipped.emplace_back("heat map: weight bits and activation bits do not both vary");
    return out;
  }
  name_panels(cells, axes);
  std::vector<std::string> panels;
  for (const Cell& cell : cells) {
    if (std::find(panels.begin(), panels.end(), cell.panel) == panels.end())
      panels.push_back(cell.panel);
  }
  if (panels.size() > kMostPanels) {
    out.skipped.push_back(
        fmt::format("heat map: {} panels, one figure holds {}", panels.size(), kMostPanels));
    return out;
  }
  Drawing drawing;
  drawing.id = "heat-map";
  drawing.caption = metric_heading(metric) + " over weight bits and activation bits.";
  drawing.picture = picture_of(cells, panels, weights, activations);
  drawing.csv = "cell,panel,weight_bits,activation_bits," + escape_csv(metric) + "\r\n";
  for (const Cell& cell : cells) {
    drawing.csv += fmt::format("{},{},{},{},{}\r\n", cell.group->anchor, escape_csv(cell.panel),
                               cell.weight_bits, cell.activation_bits, number(cell.accuracy));
  }
  out.drawings.push_back(std::move(drawing));
  return out;
}

}  // namespace

void register_heat_map(Registry<Plot>& registry) {
  registry.add({"heat_map", "Accuracy over weight bits and activation bits", draw});
}

}  // namespace bitsweep::report
