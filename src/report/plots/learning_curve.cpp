// Series of a training (loss, accuracy) over epochs or steps: the mean of the seeds with a band of
// one standard deviation. A trial that recorded its epochs is drawn from those: they are whole even
// where it was resumed, and its many series per step (rates, α of every layer) are no curves to
// show.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/escape.h"
#include "report/axes.h"
#include "report/format.h"
#include "report/plot.h"
#include "report/plot_style.h"

namespace bitsweep::report {
namespace {

constexpr std::size_t kFewestPoints = 3;

struct Curve {
  const Group* group = nullptr;
  std::string label;
  std::map<double, std::vector<double>> values;  // position → one value a seed
};

std::vector<store::MetricPoint> points_of(const store::AttemptRecord& attempt) {
  if (attempt.epochs.empty()) return attempt.series;
  std::vector<store::MetricPoint> out;
  for (const nlohmann::json& epoch : attempt.epochs) {
    const auto add = [&](const std::string& name, const char* field) {
      const auto value = epoch.find(field);
      if (value == epoch.end() || !value->is_number()) return;
      out.push_back({name, value->get<double>(), {}, epoch.value("epoch", 0.0), {}});
    };
    add("train.loss", "train_loss");
    add(epoch.value("split", "test") + ".top1", "top1");
  }
  return out;
}

std::set<std::string> series_names(const std::vector<Group>& groups) {
  std::set<std::string> names;
  for (const Group& group : groups) {
    for (const Run* run : group.successful()) {
      for (const store::MetricPoint& point : points_of(*run->shown())) {
        if (point.step || point.epoch) names.insert(point.name);
      }
    }
  }
  return names;
}

// Epochs where every point has one, else steps.
bool has_epochs(const std::vector<Group>& groups, const std::string& name) {
  for (const Group& group : groups) {
    for (const Run* run : group.successful()) {
      for (const store::MetricPoint& point : points_of(*run->shown())) {
        if (point.name == name && point.step && !point.epoch) return false;
      }
    }
  }
  return true;
}

std::vector<Curve> curves_of(const std::vector<Group>& groups, const std::string& name,
                             bool over_epochs) {
  const std::vector<std::string> axes = varying_axes(groups);
  std::vector<Curve> curves;
  for (const Group& group : groups) {
    Curve curve{&group, short_label(group, axes), {}};
    for (const Run* run : group.successful()) {
      for (const store::MetricPoint& point : points_of(*run->shown())) {
        const bool has_position = over_epochs ? point.epoch.has_value() : point.step.has_value();
        if (point.name != name || !has_position || !std::isfinite(point.value)) continue;
        const double at = over_epochs ? *point.epoch : static_cast<double>(*point.step);
        curve.values[at].push_back(point.value);
      }
    }
    if (curve.values.size() >= kFewestPoints) curves.push_back(std::move(curve));
  }
  return curves;
}

Drawing draw_series(const std::string& name, const std::vector<Curve>& curves, bool over_epochs) {
  const double unit = metric_kind(name) == MetricKind::accuracy ? 100 : 1;  // axis = value · unit
  Drawing drawing;
  drawing.id = "curve-" + name;
  std::replace_if(
      drawing.id.begin(), drawing.id.end(),
      [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '.'; }, '-');
  drawing.caption =
      fmt::format("{} during training: mean of the seeds, band of one standard deviation.", name);
  drawing.csv = fmt::format("cell,configuration,{},{} mean,sd,n\r\n",
                            over_epochs ? "epoch" : "step", escape_csv(name));
  std::string script = plot_frame();
  script += fmt::format(
      "set xlabel '{}'\nset ylabel {}\nset style fill transparent solid 0.18 noborder\n",
      over_epochs ? "epoch" : "step", gnuplot_string(metric_heading(name)));
  std::string bands;
  std::string lines;
  for (std::size_t c = 0; c < curves.size(); ++c) {
    script += fmt::format("$curve{} << EOD\n", c);
    bool has_band = false;
    for (const auto& [at, values] : curves[c].values) {
      const Sample sample = summarize(values);
      has_band = has_band || sample.sd > 0;
      script += fmt::format("{} {} {} {}\n", number(at), number(unit * sample.mean),
                            number(unit * (sample.mean - sample.sd)),
                            number(unit * (sample.mean + sample.sd)));
      drawing.csv +=
          fmt::format("{},{},{},{},{},{}\r\n", curves[c].group->anchor, escape_csv(curves[c].label),
                      number(at), number(sample.mean), number(sample.sd), sample.n);
    }
    script += "EOD\n";
    if (has_band) {
      bands += fmt::format("$curve{} using 1:3:4 with filledcurves lc rgb '{}' notitle, ", c,
                           kColours[c]);
    }
    lines +=
        fmt::format("{}$curve{} using 1:2 with lines lw 2 lc rgb '{}' title {}",
                    lines.empty() ? "" : ", ", c, kColours[c], gnuplot_string(curves[c].label));
  }
  drawing.picture.script = script + "plot " + bands + lines + "\n";
  return drawing;
}

Plots draw(const PlotInput& input) {
  Plots out;
  for (const std::string& name : series_names(input.groups)) {
    const bool over_epochs = has_epochs(input.groups, name);
    std::vector<Curve> curves = curves_of(input.groups, name, over_epochs);
    if (curves.empty()) {
      out.skipped.push_back(fmt::format("{} over time: fewer than {} points", name, kFewestPoints));
      continue;
    }
    const std::size_t all = curves.size();
    curves.resize(std::min(all, kColours.size()));
    out.drawings.push_back(draw_series(name, curves, over_epochs));
    if (all > curves.size()) {
      out.drawings.back().caption +=
          fmt::format(" The first {} of {} configurations.", curves.size(), all);
    }
  }
  return out;
}

}  // namespace

void register_learning_curve(Registry<Plot>& registry) {
  registry.add({"learning_curve", "Series of a training with a band over the seeds", draw});
}

}  // namespace bitsweep::report
