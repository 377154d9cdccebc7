#include "report/study.h"

#include "report/compose.h"
#include "report/gnuplot.h"
#include "report/renderer.h"

namespace bitsweep::report {

std::filesystem::path write_study(const Study& study, const std::filesystem::path& folder) {
  Report out;
  std::vector<Figure> figures;
  for (const Drawing& drawing : study.drawings) {
    figures.push_back(
        {drawing.id, draw_png(drawing.picture), draw_svg(drawing.picture), drawing.csv});
    const std::filesystem::path stem = std::filesystem::path("fig") / drawing.id;
    out.files.push_back({stem.string() + ".png", figures.back().png});
    out.files.push_back({stem.string() + ".svg", figures.back().svg});
    out.files.push_back({stem.string() + ".csv", figures.back().csv});
  }
  out.files.push_back({"data.csv", study.csv});
  const Renderer& markdown = renderers().get("markdown");
  const ReportInput no_sweep;
  const std::vector<Group> no_groups;
  out.files.push_back(
      {markdown.file, markdown.render({no_sweep, no_groups, study.document, figures})});
  return write_report(out, folder);
}

}  // namespace bitsweep::report
