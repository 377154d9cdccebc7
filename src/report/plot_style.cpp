#include "report/plot_style.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/axes.h"
#include "report/format.h"

namespace bitsweep::report {

std::string plot_frame() {
  return "set border 3 lc rgb '#666666' lw 1\n"
         "set tics out nomirror scale 0.6 textcolor rgb '#333333'\n"
         "set grid lc rgb '#e3e6ea' lt 1 lw 1\n"
         "set key outside top left horizontal Left reverse samplen 1.5 width 1 "
         "textcolor rgb '#333333'\n"
         "set xlabel textcolor rgb '#333333'\n"
         "set ylabel textcolor rgb '#333333'\n";
}

std::string number(double value) { return fmt::format("{:.10g}", value); }

std::pair<double, double> padded_range(double lower, double upper, double margin) {
  const double length = upper - lower;
  if (length <= 0) return {lower - 1, upper + 1};
  return {lower - margin * length, upper + margin * length};
}

std::string short_label(const Group& group, const std::vector<std::string>& axes) {
  std::string out;
  for (const std::string& axis : axes) {
    const nlohmann::json value = group.value_of(axis);
    if (value.is_null()) continue;
    if (!out.empty()) out += ", ";
    out += value.is_string() ? format_json(value) : axis + " " + format_json(value);
  }
  return out.empty() ? group.name : out;
}

ColourClasses colour_classes(const std::vector<Group>& groups) {
  const std::vector<std::string> axes = varying_axes(groups);
  for (auto axis = axes.rbegin(); axis != axes.rend() && axes.size() > 1; ++axis) {
    std::vector<ColourClass> classes;
    for (std::size_t i = 0; i < groups.size(); ++i) {
      const nlohmann::json value = groups[i].value_of(*axis);
      const std::string label = value.is_null()     ? groups[i].name
                                : value.is_string() ? format_json(value)
                                                    : *axis + " " + format_json(value);
      const auto at = std::find_if(classes.begin(), classes.end(),
                                   [&](const ColourClass& known) { return known.label == label; });
      if (at == classes.end()) {
        classes.push_back({label, {i}});
      } else {
        at->groups.push_back(i);
      }
    }
    if (classes.size() >= 2 && classes.size() <= kColours.size()) return {*axis, classes};
  }
  ColourClass all;
  for (std::size_t i = 0; i < groups.size(); ++i) all.groups.push_back(i);
  return {"", {all}};
}

}  // namespace bitsweep::report
