// report.md: GitHub's Markdown. Tables are padded so that they read well as text, too.
#include <algorithm>

#include "core/escape.h"
#include "report/renderer.h"

namespace bitsweep::report {
namespace {

std::string render_text(const Text& text) {
  std::string out;
  for (const Span& span : text.spans) {
    std::string inner =
        span.style == Style::code ? markdown_code(span.text) : escape_markdown(span.text);
    if (inner.empty()) continue;
    if (span.style == Style::strong) inner = "**" + inner + "**";
    out += span.target.empty() ? inner : "[" + inner + "](#" + span.target + ")";
  }
  return out;
}

// Columns on a screen: one for each code point (none of ours is wide).
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string pad(const std::string& text, std::size_t to, Align align) {
  const std::string space(to - width(text), ' ');
  return align == Align::right ? space + text : text + space;
}

std::string render_table(const Table& table) {
  std::vector<std::vector<std::string>> lines;
  std::vector<std::size_t> widths;
  lines.emplace_back();
  for (const Column& column : table.columns)
    lines.back().push_back(escape_markdown(column.heading));
  for (const Row& row : table.rows) {
    auto& line = lines.emplace_back();
    for (const Text& cell : row.cells) line.push_back(render_text(cell));
    if (!row.anchor.empty()) line.front() = "<a id=\"" + row.anchor + "\"></a>" + line.front();
  }
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    std::size_t widest = 3;
    for (const auto& line : lines) widest = std::max(widest, width(line[c]));
    widths.push_back(widest);
  }
  std::string out;
  if (!table.caption.empty()) out += "**" + escape_markdown(table.caption) + "**\n\n";
  for (std::size_t r = 0; r < lines.size(); ++r) {
    out += "|";
    for (std::size_t c = 0; c < widths.size(); ++c) {
      out += " " + pad(lines[r][c], widths[c], table.columns[c].align) + " |";
    }
    out += "\n";
    if (r > 0) continue;
    out += "|";
    for (std::size_t c = 0; c < widths.size(); ++c) {
      const bool right = table.columns[c].align == Align::right;
      out += right ? std::string(widths[c] + 1, '-') + ":|"
                   : ":" + std::string(widths[c] + 1, '-') + "|";
    }
    out += "\n";
  }
  return out;
}

struct RenderBlock {
  std::string operator()(const Heading& heading) const {
    return std::string(static_cast<std::size_t>(heading.level), '#') + " " +
           escape_markdown(heading.text) + "\n";
  }
  std::string operator()(const Paragraph& paragraph) const {
    return render_text(paragraph.text) + "\n";
  }
  std::string operator()(const List& list) const {
    std::string out;
    for (const Text& item : list.items) out += "- " + render_text(item) + "\n";
    return out;
  }
  std::string operator()(const Table& table) const { return render_table(table); }
  std::string operator()(const FigureBlock& figure) const {
    return "![" + escape_markdown(figure.caption) + "](fig/" + figure.id + ".png)\n\n" +
           escape_markdown(figure.caption) + " ([SVG](fig/" + figure.id + ".svg), [CSV](fig/" +
           figure.id + ".csv))\n";
  }
};

std::string render(const RenderInput& input) {
  std::string out = "# " + escape_markdown(input.document.title) + "\n";
  for (const Block& block : input.document.blocks) out += "\n" + std::visit(RenderBlock{}, block);
  return out;
}

}  // namespace

void register_markdown(Registry<Renderer>& registry) {
  registry.add({"markdown", "The report as GitHub Markdown", "report.md", render});
}

}  // namespace bitsweep::report
