// report.html: one file, figures and style inside, nothing loaded from elsewhere.
#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>

#include "core/check.h"
#include "core/escape.h"
#include "report/renderer.h"

namespace bitsweep::report {
namespace {

constexpr std::string_view kStyle = R"(
:root { color-scheme: light dark; --ink: #1c1e21; --muted: #5f6670; --line: #d9dde2; --head: #f4f6f8;
  --page: #fff; --link: #0b61a4; --mark: #fff4ce; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --muted: #9aa3ad; --line: #3a4048;
  --head: #22262b; --page: #17191c; --link: #7ab8ec; --mark: #4a4016; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 64rem; background: var(--page);
  color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 1rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; padding-bottom: .25rem;
  border-bottom: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.75rem 0 .5rem; }
p, ul { margin: .5rem 0; max-width: 46rem; }
a { color: var(--link); text-decoration: none; } a:hover { text-decoration: underline; }
code { font: .875em ui-monospace, "DejaVu Sans Mono", Menlo, monospace; overflow-wrap: anywhere; }
.wide { overflow-x: auto; margin: .75rem 0 1.25rem; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { caption-side: top; text-align: left; font-weight: 600; padding: .25rem 0 .5rem; }
th, td { padding: .3rem .75rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; max-width: 28rem; }
th { background: var(--head); font-weight: 600; border-bottom-width: 2px; vertical-align: bottom; }
th.r, td.r { text-align: right; white-space: nowrap; }
tr:target { background: var(--mark); }
figure { margin: 1.25rem 0; }
figure img { width: 100%; max-width: 56rem; height: auto; background: #fff; border-radius: 6px;
  border: 1px solid var(--line); }
figcaption { color: var(--muted); font-size: .9rem; }
@media print { body { max-width: none; font-size: 11pt; } .wide { overflow: visible; } }
)";

std::string base64(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');  // EVP writes a final NUL
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

std::string render_text(const Text& text) {
  std::string out;
  for (const Span& span : text.spans) {
    std::string inner = escape_html(span.text);
    if (inner.empty()) continue;
    if (span.style == Style::strong) inner = "<strong>" + inner + "</strong>";
    if (span.style == Style::code) inner = "<code>" + inner + "</code>";
    out += span.target.empty() ? inner
                               : "<a href=\"#" + escape_html(span.target) + "\">" + inner + "</a>";
  }
  return out;
}

std::string_view align_class(const Column& column) {
  return column.align == Align::right ? " class=\"r\"" : "";
}

struct RenderBlock {
  const std::vector<Figure>& figures;

  std::string operator()(const Heading& heading) const {
    return fmt::format("<h{0}>{1}</h{0}>\n", heading.level, escape_html(heading.text));
  }
  std::string operator()(const Paragraph& paragraph) const {
    return "<p>" + render_text(paragraph.text) + "</p>\n";
  }
  std::string operator()(const List& list) const {
    std::string out = "<ul>\n";
    for (const Text& item : list.items) out += "<li>" + render_text(item) + "</li>\n";
    return out + "</ul>\n";
  }
  std::string operator()(const Table& table) const {
    std::string out = "<div class=\"wide\"><table>\n";
    if (!table.caption.empty()) out += "<caption>" + escape_html(table.caption) + "</caption>\n";
    out += "<thead><tr>";
    for (const Column& column : table.columns) {
      out += fmt::format("<th{}>{}</th>", align_class(column), escape_html(column.heading));
    }
    out += "</tr></thead>\n<tbody>\n";
    for (const Row& row : table.rows) {
      out += row.anchor.empty() ? "<tr>" : "<tr id=\"" + escape_html(row.anchor) + "\">";
      for (std::size_t c = 0; c < row.cells.size(); ++c) {
        out +=
            fmt::format("<td{}>{}</td>", align_class(table.columns[c]), render_text(row.cells[c]));
      }
      out += "</tr>\n";
    }
    return out + "</tbody></table></div>\n";
  }
  std::string operator()(const FigureBlock& block) const {
    const auto figure = std::find_if(figures.begin(), figures.end(),
                                     [&](const Figure& drawn) { return drawn.id == block.id; });
    BITSWEEP_CHECK(figure != figures.end(), "figure '{}' was not drawn", block.id);
    const std::string caption = escape_html(block.caption);
    return "<figure><img alt=\"" + caption + "\" src=\"data:image/svg+xml;base64," +
           base64(figure->svg) + "\">\n<figcaption>" + caption + "</figcaption></figure>\n";
  }
};

std::string render(const RenderInput& input) {
  const std::string title = escape_html(input.document.title);
  std::string out =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
      title + "</title>\n<style>" + std::string(kStyle) + "</style>\n</head>\n<body>\n<h1>" +
      title + "</h1>\n";
  for (const Block& block : input.document.blocks) {
    out += std::visit(RenderBlock{input.figures}, block);
  }
  return out + "</body>\n</html>\n";
}

}  // namespace

void register_html(Registry<Renderer>& registry) {
  registry.add({"html", "The report as one self-contained page", "report.html", render});
}

}  // namespace bitsweep::report
