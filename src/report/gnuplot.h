// gnuplot as a drawing machine: a script in, the bytes of a picture out. Started without a shell
// and without the user's start-up file, in the C locale; the script carries its data, so no file
// names are involved. The pictures have no dates: the same script gives the same bytes.
#pragma once

#include <string>
#include <string_view>

namespace bitsweep::report {

// `text` as a single-quoted gnuplot string (with the quotes). In such a string gnuplot substitutes
// nothing; line ends become spaces, other control characters and backquotes go.
std::string gnuplot_string(std::string_view text);
// The same for a tic's label, where gnuplot reads % as a format.
std::string gnuplot_tic(std::string_view text);

struct Picture {
  int width = 900;  // pixels
  int height = 560;
  std::string script;  // without terminal and output
};

// Throw EnvironmentError where gnuplot is missing (naming the package), fails, or takes longer than
// a minute; the message quotes what it said.
std::string draw_png(const Picture& picture);
std::string draw_svg(const Picture& picture);

}  // namespace bitsweep::report
