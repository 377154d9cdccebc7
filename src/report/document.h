// A report as blocks of text, tables and figures, before it is Markdown, HTML or LaTeX. Text is
// plain UTF-8: escaping is the renderers' business.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace bitsweep::report {

enum class Style { plain, strong, code };

struct Span {
  std::string text;
  Style style = Style::plain;
  std::string target;  // an anchor of this document that the text links to; "" = no link
};

struct Text {
  std::vector<Span> spans;
  Text() = default;
  Text(std::string plain) { spans.push_back({std::move(plain), Style::plain, ""}); }  // NOLINT
  Text(const char* plain) : Text(std::string(plain)) {}                               // NOLINT
  Text& add(std::string text, Style style = Style::plain, std::string target = "") {
    spans.push_back({std::move(text), style, std::move(target)});
    return *this;
  }
  std::string plain() const {
    std::string out;
    for (const Span& span : spans) out += span.text;
    return out;
  }
};

struct Heading {
  int level = 2;  // 1 is the title
  std::string text;
};

struct Paragraph {
  Text text;
};

struct List {
  std::vector<Text> items;
};

enum class Align { left, right };

struct Column {
  std::string heading;
  Align align = Align::left;
};

struct Row {
  std::vector<Text> cells;  // one a column
  std::string anchor;       // what links point to; "" = nothing
};

struct Table {
  std::string caption;
  std::vector<Column> columns;
  std::vector<Row> rows;
};

// fig/<id>.png, .svg and .csv.
struct FigureBlock {
  std::string id;
  std::string caption;
};

using Block = std::variant<Heading, Paragraph, List, Table, FigureBlock>;

struct Document {
  std::string title;
  std::vector<Block> blocks;
};

}  // namespace bitsweep::report
