#include "cli/analyses/synthetic.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/escape.h"
#include "report/plot_style.h"

namespace bitsweep::cli {

void add_output_option(CLI::App& app, SyntheticOptions& options, const std::string& word) {
  app.add_option("-o,--output", options.folder, "Folder (default: reports/" + word + ")");
}

report::Picture curves(const std::vector<double>& x, const std::vector<PlottedCurve>& curves,
                       const std::vector<VerticalLine>& lines, const std::string& x_heading,
                       const std::string& y_heading) {
  BITSWEEP_CHECK(curves.size() + lines.size() <= report::kColours.size(), "{} curves",
                 curves.size());
  report::Picture out;
  out.script = report::plot_frame();
  out.script += fmt::format("set xlabel {}\nset ylabel {}\nset xrange [{}:{}]\n",
                            report::gnuplot_string(x_heading), report::gnuplot_string(y_heading),
                            report::number(x.front()), report::number(x.back()));
  double top = 0;
  std::string plot;
  for (std::size_t c = 0; c < curves.size(); ++c) {
    out.script += fmt::format("$c{} << EOD\n", c);
    for (std::size_t i = 0; i < x.size(); ++i) {
      out.script += fmt::format("{} {}\n", report::number(x[i]), report::number(curves[c].y[i]));
    }
    out.script += "EOD\n";
    top = std::max(top, *std::ranges::max_element(curves[c].y));
    const std::string look = curves[c].as_points
                                 ? fmt::format("points pt {} ps 0.7", report::kShapes[c])
                                 : std::string("lines lw 2");
    plot += fmt::format("{}$c{} using 1:2 with {} lc rgb '{}' title {}", c == 0 ? "plot " : ", ", c,
                        look, report::kColours[c], report::gnuplot_string(curves[c].title));
  }
  out.script += fmt::format("set yrange [0:{}]\n", report::number(1.05 * top));
  for (std::size_t l = 0; l < lines.size(); ++l) {
    const std::string_view colour = report::kColours[curves.size() + l];
    const std::string at = report::number(lines[l].x);
    out.script += fmt::format(
        "set arrow from {0}, graph 0 to {0}, graph 1 nohead dt 2 lc rgb '{1}'\n", at, colour);
    plot += fmt::format(", NaN with lines dt 2 lc rgb '{}' title {}", colour,
                        report::gnuplot_string(lines[l].title));
  }
  out.script += plot + "\n";
  return out;
}

std::string curves_csv(const std::string& x_heading, const std::vector<double>& x,
                       const std::vector<PlottedCurve>& curves) {
  std::string out = escape_csv(x_heading);
  for (const PlottedCurve& curve : curves) out += "," + escape_csv(curve.title);
  out += "\r\n";
  for (std::size_t i = 0; i < x.size(); ++i) {
    out += report::number(x[i]);
    for (const PlottedCurve& curve : curves) out += "," + report::number(curve.y[i]);
    out += "\r\n";
  }
  return out;
}

std::size_t least_of(const std::vector<double>& values) {
  return static_cast<std::size_t>(std::ranges::min_element(values) - values.begin());
}

report::Document begin_synthetic(const std::string& title, const std::string& command) {
  report::Document out;
  out.title = title;
  report::Text text("Made by: ");
  text.add(command, report::Style::code);
  report::List list;
  list.items.push_back(std::move(text));
  out.blocks.emplace_back(std::move(list));
  return out;
}

ExitCode finish_synthetic(const report::Study& study, const SyntheticOptions& options,
                          const std::string& word, nlohmann::json result) {
  const std::string folder = options.folder.empty() ? "reports/" + word : options.folder;
  const auto path = report::write_study(study, folder);
  result["schema_version"] = 1;
  result["analysis"] = word;
  result["report"] = path.string();
  fmt::print("{}\n", result.dump(1));
  return ExitCode::kOk;
}

}  // namespace bitsweep::cli
