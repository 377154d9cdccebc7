// What all plots share: frame, colours, labels, ranges.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "report/group.h"

namespace bitsweep::report {

// Okabe & Ito 2008: told apart with every common colour blindness. Yellow is left out: too pale for
// a line on white. Each colour goes with a point shape of its own.
inline constexpr std::array<std::string_view, 7> kColours{
    "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#000000"};
inline constexpr std::array<int, 7> kShapes{7, 5, 9, 13, 11, 4, 6};

// Grey frame on the left and below, light grid, legend above on the left.
std::string plot_frame();

// "{:.10g}": what scripts and CSV files carry.
std::string number(double value);

// [lower, upper] with `margin` of its length added on both sides; a constant gets ± 1.
std::pair<double, double> padded_range(double lower, double upper, double margin);

// A configuration in few words: the values of its varying axes, or its name outside the product.
std::string short_label(const Group& group, const std::vector<std::string>& axes);

// Groups in classes that get a colour each: by the last axis that takes 2 … kColours.size() values
// while another axis varies, too; else one class named "".
struct ColourClass {
  std::string label;
  std::vector<std::size_t> groups;  // positions, in plan order
};
struct ColourClasses {
  std::string axis;  // that the colours tell; "" where there is one class
  std::vector<ColourClass> classes;
};
ColourClasses colour_classes(const std::vector<Group>& groups);

}  // namespace bitsweep::report
