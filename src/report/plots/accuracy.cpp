// Accuracy of every configuration as a dot with its 95 % interval, one line each, so that long
// names stay readable; published values as open diamonds, the unquantized network as a dashed line.
#include <fmt/format.h>

#include <algorithm>

#include "core/escape.h"
#include "report/axes.h"
#include "report/format.h"
#include "report/plot.h"
#include "report/plot_style.h"

namespace bitsweep::report {
namespace {

constexpr std::size_t kMostRows = 40;
constexpr int kRowHeight = 30;  // pixels

struct Mark {
  const Group* group = nullptr;
  std::string label;
  Estimate ours;
  std::optional<double> published;
};

std::vector<Mark> marks_of(const PlotInput& input, const std::string& metric) {
  const std::vector<std::string> axes = varying_axes(input.groups);
  std::vector<Mark> marks;
  for (const Group& group : input.groups) {
    const auto ours = estimate(group, metric);
    if (!ours) continue;
    Mark mark{&group, short_label(group, axes), *ours, std::nullopt};
    for (const Judgement& judgement : input.judgements) {
      const bool is_about_it = judgement.group == &group && judgement.claim->metric == metric &&
                               judgement.verdict != Verdict::not_comparable;
      if (is_about_it) mark.published = judgement.claim->value;
    }
    marks.push_back(std::move(mark));
  }
  return marks;
}

std::string csv_of(const std::vector<Mark>& marks, const std::string& metric) {
  std::string csv = "cell,configuration," + escape_csv(metric) + ",n,lower,upper,published\r\n";
  for (const Mark& mark : marks) {
    csv += fmt::format("{},{},{},{},{},{},{}\r\n", mark.group->anchor, escape_csv(mark.label),
                       number(mark.ours.sample.mean), mark.ours.sample.n,
                       number(mark.ours.interval.lower), number(mark.ours.interval.upper),
                       mark.published ? number(*mark.published) : "");
  }
  return csv;
}

// Rows are numbered from the top; a colour class becomes one data block and one legend entry.
std::string script_of(const PlotInput& input, const std::vector<Mark>& marks,
                      const std::string& metric) {
  double lower = 1;
  double upper = 0;
  bool has_published = false;
  for (const Mark& mark : marks) {
    lower = std::min({lower, mark.ours.interval.lower, mark.published.value_or(1)});
    upper = std::max({upper, mark.ours.interval.upper, mark.published.value_or(0)});
    has_published = has_published || mark.published;
  }
  const auto [left, right] = padded_range(100 * lower, 100 * upper, 0.04);
  std::string script = plot_frame();
  script += "set border 1\nset grid xtics noytics\nset ytics scale 0\nset rmargin 9\n";
  script += fmt::format("set xrange [{}:{}]\nset yrange [{}:0.4]\n", number(left), number(right),
                        number(static_cast<double>(marks.size()) + 0.6));
  script += "set xlabel " + gnuplot_string(metric_heading(metric) + ", 95 % interval") + "\n";
  std::string tics;
  for (std::size_t i = 0; i < marks.size(); ++i) {
    tics += fmt::format("{}{} {}", i == 0 ? "" : ", ", gnuplot_tic(marks[i].label), i + 1);
    script += fmt::format(
        "set label {} at graph 1.0, first {} left offset 1,0 "
        "textcolor rgb '#333333'\n",
        gnuplot_string(format_percent(marks[i].ours.sample.mean)), i + 1);
    if (marks[i].group->value_of("quant.scheme") == "none") {
      const std::string at = number(100 * marks[i].ours.sample.mean);
      script += fmt::format(
          "set arrow from {0}, graph 0 to {0}, graph 1 nohead back dashtype 2 "
          "lc rgb '#999999'\n",
          at);
    }
  }
  script += "set ytics (" + tics + ")\n";

  const std::vector<ColourClass> classes = colour_classes(input.groups).classes;
  std::string plot;
  std::size_t blocks = 0;
  for (std::size_t c = 0; c < classes.size(); ++c) {
    std::string data;
    for (std::size_t i = 0; i < marks.size(); ++i) {
      const auto position = static_cast<std::size_t>(marks[i].group - input.groups.data());
      const auto& members = classes[c].groups;
      if (std::find(members.begin(), members.end(), position) == members.end()) continue;
      const Estimate& ours = marks[i].ours;
      data += fmt::format("{} {} {} {}\n", number(100 * ours.sample.mean), i + 1,
                          number(100 * ours.interval.lower), number(100 * ours.interval.upper));
    }
    if (data.empty()) continue;
    script += fmt::format("$block{} << EOD\n{}EOD\n", blocks, data);
    plot += fmt::format(
        "{}$block{} using 1:2:3:4 with xerrorbars pt {} ps 1.3 lw 2 lc rgb '{}' {}",
        plot.empty() ? "plot " : ", ", blocks, kShapes[c], kColours[c],
        classes[c].label.empty() ? "notitle" : "title " + gnuplot_string(classes[c].label));
    ++blocks;
  }
  if (has_published) {
    script += "$published << EOD\n";
    for (std::size_t i = 0; i < marks.size(); ++i) {
      if (marks[i].published)
        script += fmt::format("{} {}\n", number(100 * *marks[i].published), i + 1);
    }
    script += "EOD\n";
    plot += ", $published using 1:2 with points pt 12 ps 2 lw 2 lc rgb '#000000' title 'published'";
  }
  return script + "set errorbars small\n" + plot + "\n";
}

Plots draw(const PlotInput& input) {
  Plots out;
  for (const std::string& metric : accuracy_metrics(input.groups)) {
    if (metric.size() >= 4 && metric.substr(metric.size() - 4) == "top5") continue;
    const std::vector<Mark> marks = marks_of(input, metric);
    if (marks.size() < 2) {
      out.skipped.push_back(metric + " by configuration: fewer than two results");
      continue;
    }
    if (marks.size() > kMostRows) {
      out.skipped.push_back(fmt::format("{} by configuration: {} results, one figure holds {}",
                                        metric, marks.size(), kMostRows));
      continue;
    }
    Drawing drawing;
    drawing.id = metric == "top1" ? "accuracy" : "accuracy-" + metric;
    drawing.caption = metric +
                      " of every configuration with its 95 % interval; the dashed line is the "
                      "unquantized network.";
    drawing.picture.height = 130 + kRowHeight * static_cast<int>(marks.size());
    drawing.picture.script = script_of(input, marks, metric);
    drawing.csv = csv_of(marks, metric);
    out.drawings.push_back(std::move(drawing));
  }
  if (out.drawings.empty() && out.skipped.empty()) {
    out.skipped.emplace_back("accuracy by configuration: no results yet");
  }
  return out;
}

}  // namespace

void register_accuracy(Registry<Plot>& registry) {
  registry.add({"accuracy", "Accuracy by configuration with intervals", draw});
}

}  // namespace bitsweep::report
