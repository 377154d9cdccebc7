#include "core/escape.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <utility>

namespace bitsweep {
namespace {

bool is_dropped(char c) {
  const auto code = static_cast<unsigned char>(c);
  return (code < 0x20 && c != '\t' && c != '\n') || code == 0x7F;
}

bool is_word(std::string_view text, std::size_t at) {
  return at < text.size() && (std::isalnum(static_cast<unsigned char>(text[at])) != 0);
}

bool is_number(std::string_view text) {
  const std::string copy(text);
  char* end = nullptr;
  std::strtod(copy.c_str(), &end);
  // strtod also takes leading white space and hexadecimal numbers: not numbers of ours.
  return !copy.empty() && *end == '\0' && copy.find_first_of(" \t\r\nxX") == std::string::npos;
}

// "<" begins HTML only before a letter or one of / ! ?.
bool starts_tag(std::string_view text, std::size_t at) {
  if (at + 1 >= text.size()) return true;  // what follows this text is not known
  const char next = text[at + 1];
  return std::isalpha(static_cast<unsigned char>(next)) != 0 || next == '/' || next == '!' ||
         next == '?';
}

// Markdown's one-character markup. An underscore inside a word is none, a lone tilde neither.
bool is_markdown_markup(std::string_view text, std::size_t at) {
  const auto is_tilde = [&](std::size_t i) { return i < text.size() && text[i] == '~'; };
  switch (text[at]) {
    case '_':
      return at == 0 || !is_word(text, at - 1) || !is_word(text, at + 1);
    case '~':
      return is_tilde(at + 1) || is_tilde(at - 1);  // at - 1 wraps at 0
    case '#':
      return at == 0;
    default:
      return std::string_view("\\`*[]|").find(text[at]) != std::string_view::npos;
  }
}

// Signs of reports in LaTeX. The key is UTF-8.
constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kTexSigns{{
    {"−", "$-$"},
    {"±", "$\\pm$"},
    {"×", "$\\times$"},
    {"Δ", "$\\Delta$"},
    {"–", "--"},
    {"—", "---"},
    {"…", "\\ldots{}"},
    {"≥", "$\\geq$"},
    {"≤", "$\\leq$"},
    {"·", "$\\cdot$"},
    {"χ", "$\\chi$"},
    {"²", "$^2$"},
}};

std::string_view tex_of(char c) {
  switch (c) {
    case '\\':
      return "\\textbackslash{}";
    case '{':
      return "\\{";
    case '}':
      return "\\}";
    case '$':
      return "\\$";
    case '%':
      return "\\%";
    case '&':
      return "\\&";
    case '#':
      return "\\#";
    case '_':
      return "\\_";
    case '~':
      return "\\textasciitilde{}";
    case '^':
      return "\\textasciicircum{}";
    case '<':
      return "\\textless{}";
    case '>':
      return "\\textgreater{}";
    case '|':
      return "\\textbar{}";
    case '"':
      return "\\textquotedbl{}";
    default:
      return {};
  }
}

}  // namespace

std::string escape_markdown(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_dropped(c)) continue;
    if (c == '\n' || c == '\t') {
      out += ' ';
    } else if (c == '<' && starts_tag(text, i)) {
      out += "&lt;";
    } else if (c == '&' && (is_word(text, i + 1) || text.substr(i + 1, 1) == "#")) {
      out += "&amp;";
    } else if (c == '>' && i == 0) {
      out += "&gt;";
    } else {
      if (is_markdown_markup(text, i)) out += '\\';
      out += c;
    }
  }
  return out;
}

std::string markdown_code(std::string_view text) {
  std::string inside;
  std::size_t longest = 0;  // run of backticks
  std::size_t current = 0;
  for (const char c : text) {
    if (is_dropped(c)) continue;
    current = c == '`' ? current + 1 : 0;
    longest = std::max(longest, current);
    if (c == '|') inside += '\\';  // ends a table cell even inside code
    inside += c == '\n' || c == '\t' ? ' ' : c;
  }
  if (inside.empty()) return "";
  const std::string fence(longest + 1, '`');
  const std::string_view space = longest > 0 ? " " : "";
  return fence + std::string(space) + inside + std::string(space) + fence;
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_dropped(c)) continue;
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string escape_tex(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    bool is_sign = false;
    for (const auto& [sign, command] : kTexSigns) {
      if (text.substr(i, sign.size()) != sign) continue;
      out += command;
      i += sign.size();
      is_sign = true;
      break;
    }
    if (is_sign) continue;
    const char c = text[i++];
    if (is_dropped(c)) continue;
    if (c == '\n' || c == '\t') {
      out += ' ';
    } else if (const std::string_view command = tex_of(c); !command.empty()) {
      out += command;
    } else {
      out += c;
    }
  }
  return out;
}

std::string escape_csv(std::string_view text) {
  std::string field;
  for (const char c : text) {
    if (!is_dropped(c) || c == '\r') field += c;
  }
  const bool like_formula =
      !field.empty() && std::string_view("=+-@\t\r").find(field[0]) != std::string_view::npos;
  if (like_formula && !is_number(field)) field.insert(field.begin(), '\'');
  if (field.find_first_of(",\"\r\n") == std::string::npos) return field;
  std::string quoted = "\"";
  for (const char c : field) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace bitsweep
