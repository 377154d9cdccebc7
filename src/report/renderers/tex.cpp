// report.tex: stands alone with pdflatex; its tables (booktabs) can be lifted into a paper.
#include "core/escape.h"
#include "report/renderer.h"

namespace bitsweep::report {
namespace {

constexpr std::string_view kPreamble = R"(\documentclass[10pt]{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{textcomp}
\usepackage[margin=2cm]{geometry}
\usepackage{booktabs}
\usepackage{caption}
\usepackage{longtable}
\usepackage{graphicx}
\usepackage[hidelinks]{hyperref}
\setlength{\parindent}{0pt}
\setlength{\parskip}{0.5em}
)";

// Line breaks are allowed after the separators of long names and commands.
std::string render_code(std::string_view text) {
  std::string out;
  for (const char c : escape_tex(text)) {
    out += c;
    if (c == '/' || c == ',' || c == '=') out += "\\allowbreak{}";
  }
  return "\\texttt{" + out + "}";
}

std::string render_text(const Text& text) {
  std::string out;
  for (const Span& span : text.spans) {
    if (span.text.empty()) continue;
    std::string inner = span.style == Style::code ? render_code(span.text) : escape_tex(span.text);
    if (span.style == Style::strong) inner = "\\textbf{" + inner + "}";
    out += span.target.empty() ? inner : "\\hyperlink{" + span.target + "}{" + inner + "}";
  }
  return out;
}

struct RenderBlock {
  std::string operator()(const Heading& heading) const {
    return std::string(heading.level <= 2 ? "\\section*{" : "\\subsection*{") +
           escape_tex(heading.text) + "}\n";
  }
  std::string operator()(const Paragraph& paragraph) const {
    return render_text(paragraph.text) + "\n";
  }
  std::string operator()(const List& list) const {
    std::string out = "\\begin{itemize}\n";
    for (const Text& item : list.items) out += "\\item " + render_text(item) + "\n";
    return out + "\\end{itemize}\n";
  }
  std::string operator()(const Table& table) const {
    std::string layout;
    std::string head;
    for (const Column& column : table.columns) {
      layout += column.align == Align::right ? 'r' : 'l';
      if (!head.empty()) head += " & ";
      head += escape_tex(column.heading);
    }
    std::string out = "{\\small\n\\begin{longtable}{" + layout + "}\n";
    if (!table.caption.empty()) out += "\\caption*{" + escape_tex(table.caption) + "}\\\\\n";
    out += "\\toprule\n" + head + " \\\\\n\\midrule\n\\endhead\n\\bottomrule\n\\endfoot\n";
    for (const Row& row : table.rows) {
      std::string line;
      for (const Text& cell : row.cells) {
        if (&cell != &row.cells.front()) line += " & ";
        line += render_text(cell);
      }
      if (!row.anchor.empty()) line = "\\hypertarget{" + row.anchor + "}{}" + line;
      out += line + " \\\\\n";
    }
    return out + "\\end{longtable}}\n";
  }
  std::string operator()(const FigureBlock& figure) const {
    return "\\begin{figure}[htbp]\n\\centering\n\\includegraphics[width=0.9\\linewidth]{fig/" +
           figure.id + ".png}\n\\caption*{" + escape_tex(figure.caption) + "}\n\\end{figure}\n";
  }
};

std::string render(const RenderInput& input) {
  std::string out(kPreamble);
  out += "\\title{" + escape_tex(input.document.title) +
         "}\n\\author{}\n\\date{}\n\\begin{document}\n\\maketitle\n";
  for (const Block& block : input.document.blocks) out += "\n" + std::visit(RenderBlock{}, block);
  return out + "\n\\end{document}\n";
}

}  // namespace

void register_tex(Registry<Renderer>& registry) {
  registry.add({"tex", "The report as LaTeX", "report.tex", render});
}

}  // namespace bitsweep::report
