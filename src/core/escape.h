// Text that people may have written themselves (names, paths, messages), made safe for each format
// that bitsweep writes. Control characters but tab and newline are dropped everywhere.
#pragma once

#include <string>
#include <string_view>

namespace bitsweep {

// GitHub's Markdown, also inside a table cell: nothing is markup, a newline becomes a space.
std::string escape_markdown(std::string_view text);
// As a code span, also inside a table cell.
std::string markdown_code(std::string_view text);

// Text and attribute values.
std::string escape_html(std::string_view text);

// LaTeX text mode; the signs that reports use (− ± × Δ – … ≥ ≤ ·) become commands.
std::string escape_tex(std::string_view text);

// One field of RFC 4180. A text that a spreadsheet would take for a formula (= + - @ first) gets an
// apostrophe in front; numbers stay numbers.
std::string escape_csv(std::string_view text);

}  // namespace bitsweep
