// Accuracy against what it costs (average bits, bytes, BOPs), with the Pareto staircase: the best
// that at most this cost buys.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/escape.h"
#include "report/axes.h"
#include "report/format.h"
#include "report/pareto.h"
#include "report/plot.h"
#include "report/plot_style.h"

namespace bitsweep::report {
namespace {

struct Cost {
  const char* metric;
  const char* id;
  const char* heading;
  double unit;  // axis = value / unit
};
constexpr std::array<Cost, 4> kCosts{{
    {"weight_bits_average", "weight-bits", "average bits of a weight", 1},
    {"activation_bits_average", "activation-bits", "average bits of an activation", 1},
    {"bytes", "bytes", "weights and scales (KiB)", 1024},
    {"bops", "bops", "bit operations an image (GBOPs)", 1e9},
}};

constexpr std::size_t kMostLabels = 16;
constexpr double kRoomLeft = 0.18;  // shares of the range of costs; labels may stand there
constexpr double kRoomRight = 0.1;
constexpr double kLogarithmicFrom = 6;  // dearest over cheapest
constexpr double kFarFrom = 2;          // a cost over the next lower one

struct Mark {
  std::size_t group = 0;
  std::string label;
  CostPoint point;  // cost in axis units, accuracy in percent
  Interval interval;
};

// What has no place on the axis of costs: full precision, where it costs so much more than all else
// that the others would stand in one heap. A line across tells its accuracy.
std::vector<Mark> take_references(std::vector<Mark>& marks, const std::vector<Group>& groups) {
  const auto is_quantized = [&](const Mark& mark) {
    return groups[mark.group].value_of("quant.scheme") != "none";
  };
  double dearest = 0;
  std::size_t quantized = 0;
  for (const Mark& mark : marks) {
    if (!is_quantized(mark)) continue;
    dearest = std::max(dearest, mark.point.cost);
    ++quantized;
  }
  std::vector<Mark> references;
  if (quantized < 2) return references;
  std::erase_if(marks, [&](const Mark& mark) {
    const bool is_far = !is_quantized(mark) && mark.point.cost >= kFarFrom * dearest;
    if (is_far) references.push_back(mark);
    return is_far;
  });
  return references;
}

// The frame's place in the picture and its axes: what it takes to know where a mark lands.
struct Frame {
  static constexpr double kLeft = 0.1;  // shares of the picture
  static constexpr double kRight = 0.97;
  static constexpr double kTop = 0.92;
  static constexpr double kBottom = 0.125;
  Picture size;
  double x0 = 0, x1 = 1, y0 = 0, y1 = 1;
  bool logarithmic = false;

  double share(double x) const {
    return logarithmic ? std::log(x / x0) / std::log(x1 / x0) : (x - x0) / (x1 - x0);
  }
  double pixel_x(double x) const { return size.width * (kLeft + (kRight - kLeft) * share(x)); }
  double pixel_y(double y) const {
    return size.height * (1 - kBottom - (kTop - kBottom) * (y - y0) / (y1 - y0));
  }
};

struct Box {
  double left, top, right, bottom;
  bool overlaps(const Box& other) const {
    return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
  }
};

// Corners of the staircase, from its first step to the right edge.
std::vector<CostPoint> staircase(const Frame& frame, const std::vector<Mark>& marks,
                                 const std::vector<std::size_t>& front) {
  std::vector<CostPoint> corners{marks[front.front()].point};
  for (const std::size_t i : front) {
    const CostPoint& point = marks[i].point;
    corners.push_back({point.cost, corners.back().accuracy});
    corners.push_back(point);
  }
  corners.push_back({frame.x1, corners.back().accuracy});
  return corners;
}

// What is drawn and must stay legible: marks, their bars, the staircase.
std::vector<Box> drawn_boxes(const Frame& frame, const std::vector<Mark>& marks,
                             const std::vector<CostPoint>& corners) {
  std::vector<Box> boxes;
  for (const Mark& mark : marks) {
    const double x = frame.pixel_x(mark.point.cost);
    const double y = frame.pixel_y(mark.point.accuracy);
    boxes.push_back({x - 7, y - 7, x + 7, y + 7});
    boxes.push_back({x - 3, frame.pixel_y(100 * mark.interval.upper), x + 3,
                     frame.pixel_y(100 * mark.interval.lower)});
  }
  for (std::size_t i = 1; i < corners.size(); ++i) {
    const double left = frame.pixel_x(corners[i - 1].cost);
    const double right = frame.pixel_x(corners[i].cost);
    const double bottom = frame.pixel_y(corners[i - 1].accuracy);
    const double top = frame.pixel_y(corners[i].accuracy);
    boxes.push_back({left - 1, top - 1, right + 1, bottom + 1});
  }
  return boxes;
}

// A label stands right or left of its mark, below, above or level with it: the first place that
// touches nothing drawn, no label and no edge. A label without a place is left out.
std::string place_labels(const Frame& frame, const std::vector<Mark>& marks,
                         const std::vector<std::size_t>& order, std::vector<Box> taken) {
  constexpr double kLetter = 9.2;  // pixels, DejaVu Sans 12
  constexpr double kHeight = 16;
  constexpr double kGap = 10;
  const Box page{frame.pixel_x(frame.x0), frame.pixel_y(frame.y1), frame.pixel_x(frame.x1) + 20,
                 frame.pixel_y(frame.y0)};
  constexpr std::array<std::pair<int, int>, 8> kPlaces{
      {{1, 11}, {1, -11}, {-1, -11}, {-1, 11}, {1, 0}, {-1, 0}, {1, 20}, {1, -20}}};
  std::string script;
  for (const std::size_t i : order) {
    const Mark& mark = marks[i];
    const double x = frame.pixel_x(mark.point.cost);
    const double y = frame.pixel_y(mark.point.accuracy);
    const double width = kLetter * static_cast<double>(mark.label.size());
    for (const auto& [side, down] : kPlaces) {
      const double start = side > 0 ? x + kGap : x - kGap - width;
      const double middle = y + down;
      const Box box{start, middle - kHeight / 2, start + width, middle + kHeight / 2};
      const bool inside = box.left >= page.left && box.right <= page.right && box.top >= page.top &&
                          box.bottom <= page.bottom;
      const bool is_free = std::none_of(taken.begin(), taken.end(),
                                        [&](const Box& other) { return box.overlaps(other); });
      if (!inside || !is_free) continue;
      taken.push_back(box);
      script += fmt::format("set label {} at screen {:.5f},{:.5f} {} textcolor rgb '#333333'\n",
                            gnuplot_string(mark.label),
                            (side > 0 ? start : start + width) / frame.size.width,
                            1 - middle / frame.size.height, side > 0 ? "left" : "right");
      break;
    }
  }
  return script;
}

std::string script_of(const PlotInput& input, const Cost& cost, const std::string& metric,
                      const std::vector<Mark>& marks, const std::vector<Mark>& references) {
  Frame frame;
  double cheapest = marks.front().point.cost;
  double dearest = cheapest;
  double lowest = 100;
  double highest = 0;
  std::vector<CostPoint> points;
  for (const Mark& mark : marks) {
    cheapest = std::min(cheapest, mark.point.cost);
    dearest = std::max(dearest, mark.point.cost);
    lowest = std::min(lowest, 100 * mark.interval.lower);
    highest = std::max(highest, 100 * mark.interval.upper);
    points.push_back(mark.point);
  }
  for (const Mark& reference : references) {
    highest = std::max(highest, reference.point.accuracy);
    lowest = std::min(lowest, reference.point.accuracy);
  }
  frame.logarithmic = cheapest > 0 && dearest / cheapest >= kLogarithmicFrom;
  if (frame.logarithmic) {
    frame.x0 = cheapest * std::pow(cheapest / dearest, kRoomLeft);
    frame.x1 = dearest * std::pow(dearest / cheapest, kRoomRight);
  } else {
    frame.x0 = cheapest - kRoomLeft * (dearest - cheapest);
    frame.x1 = dearest + kRoomRight * (dearest - cheapest);
  }
  std::tie(frame.y0, frame.y1) = padded_range(lowest, highest, 0.06);
  const std::vector<std::size_t> front = pareto_front(points);

  std::string script = plot_frame();
  script += fmt::format(
      "set lmargin at screen {}\nset rmargin at screen {}\nset tmargin at screen {}\n"
      "set bmargin at screen {}\n",
      Frame::kLeft, Frame::kRight, Frame::kTop, Frame::kBottom);
  if (frame.logarithmic) script += "set logscale x 2\n";
  script += fmt::format("set xrange [{}:{}]\nset yrange [{}:{}]\n", number(frame.x0),
                        number(frame.x1), number(frame.y0), number(frame.y1));
  script += "set xlabel " + gnuplot_string(cost.heading) + "\n";
  script += "set ylabel " + gnuplot_string(metric_heading(metric)) + "\n";
  // The front is named first; the others where the figure is not crowded.
  std::vector<std::size_t> order = front;
  for (std::size_t i = 0; i < marks.size() && marks.size() <= kMostLabels; ++i) {
    if (std::find(front.begin(), front.end(), i) == front.end()) order.push_back(i);
  }
  const std::vector<CostPoint> corners = staircase(frame, marks, front);
  script += place_labels(frame, marks, order, drawn_boxes(frame, marks, corners));
  script += "$front << EOD\n";
  for (const CostPoint& corner : corners) {
    script += fmt::format("{} {}\n", number(corner.cost), number(corner.accuracy));
  }
  script += "EOD\n";
  std::string plot =
      "plot $front using 1:2 with lines lw 2 lc rgb '#999999' title 'Pareto staircase'";
  for (const Mark& reference : references) {
    plot += fmt::format(", {} with lines dt 2 lw 1.5 lc rgb '#666666' title {}",
                        number(reference.point.accuracy), gnuplot_string(reference.label));
  }
  std::size_t blocks = 0;
  const std::vector<ColourClass> classes = colour_classes(input.groups).classes;
  for (std::size_t c = 0; c < classes.size(); ++c) {
    std::string data;
    for (const Mark& mark : marks) {
      const auto& members = classes[c].groups;
      if (std::find(members.begin(), members.end(), mark.group) == members.end()) continue;
      data += fmt::format("{} {} {} {}\n", number(mark.point.cost), number(mark.point.accuracy),
                          number(100 * mark.interval.lower), number(100 * mark.interval.upper));
    }
    if (data.empty()) continue;
    script += fmt::format("$block{} << EOD\n{}EOD\n", blocks, data);
    plot += fmt::format(
        ", $block{} using 1:2:3:4 with yerrorbars pt {} ps 1.4 lw 1.5 lc rgb '{}' {}", blocks,
        kShapes[c], kColours[c],
        classes[c].label.empty() ? "notitle" : "title " + gnuplot_string(classes[c].label));
    ++blocks;
  }
  return script + "set errorbars small\n" + plot + "\n";
}

Plots draw(const PlotInput& input) {
  Plots out;
  const std::vector<std::string> metrics = accuracy_metrics(input.groups);
  if (metrics.empty()) return out;  // the accuracy plot says that there are no results
  const std::string& metric = metrics.front();
  // The colour tells one axis: labels need the others alone.
  std::vector<std::string> axes = varying_axes(input.groups);
  std::erase(axes, colour_classes(input.groups).axis);
  for (const Cost& cost : kCosts) {
    std::vector<Mark> marks;
    bool is_constant = true;
    for (std::size_t i = 0; i < input.groups.size(); ++i) {
      const auto price = estimate(input.groups[i], cost.metric);
      const auto ours = estimate(input.groups[i], metric);
      if (!price || !ours) continue;
      marks.push_back({i,
                       short_label(input.groups[i], axes),
                       {price->sample.mean / cost.unit, 100 * ours->sample.mean},
                       ours->interval});
      is_constant = is_constant && marks.back().point.cost == marks.front().point.cost;
    }
    if (is_constant) {
      out.skipped.push_back(fmt::format("{} against {}: {}", metric, cost.heading,
                                        marks.empty() ? "not measured" : "the cost is constant"));
      continue;
    }
    Drawing drawing;
    drawing.id = std::string("tradeoff-") + cost.id;
    drawing.caption = fmt::format(
        "{} against {}. The staircase is the best that at most this cost reaches; bars are 95 % "
        "intervals.",
        metric, cost.heading);
    const std::vector<Mark> all = marks;
    const std::vector<Mark> references = take_references(marks, input.groups);
    drawing.picture.script = script_of(input, cost, metric, marks, references);
    if (!references.empty()) drawing.caption += " Dashed: full precision, beyond the axis.";
    drawing.csv = fmt::format("cell,configuration,{},{},lower,upper\r\n", escape_csv(cost.metric),
                              escape_csv(metric));
    for (const Mark& mark : marks) {
      drawing.csv +=
          fmt::format("{},{},{},{},{},{}\r\n", input.groups[mark.group].anchor,
                      escape_csv(input.groups[mark.group].name),
                      number(mark.point.cost * cost.unit), number(mark.point.accuracy / 100),
                      number(mark.interval.lower), number(mark.interval.upper));
    }
    out.drawings.push_back(std::move(drawing));
  }
  return out;
}

}  // namespace

void register_tradeoff(Registry<Plot>& registry) {
  registry.add(
      {"tradeoff", "Accuracy against bits, bytes and BOPs with the Pareto staircase", draw});
}

}  // namespace bitsweep::report
