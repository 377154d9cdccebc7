// What axes are called: columns of results, labels in trial names.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/value.h"
#include "sweep/sweep.h"

namespace bitsweep::sweep {

// A column that an axis gives to trial names and to rows of results. An axis has one, but for rows
// without a name, which have one for each key.
struct Column {
  // The axis's name; else the shortest tail of its key that nothing else is called ("weight.bits").
  std::string label;
  std::size_t axis = 0;   // position in SweepFile::axes
  int key = -1;           // position in Axis::keys; -1: the value of the point as a whole
  bool is_named = false;  // by the file: conditions may use the label
};
std::vector<Column> columns_of(const SweepFile& sweep);

// What `point` shows in `column`.
const config::Value& shown_value(const AxisPoint& point, const Column& column);

// A value in a trial's name: 4, laplace, 0.5; lists as 4:8.
std::string name_text(const config::Value& value);

// Letters, digits and . _ - : what can stand in a path and a command line without quoting.
bool is_plain_name(std::string_view name);
inline constexpr const char* kPlainName =
    "expected letters, digits and . _ -, the first a letter or digit";

// How messages call an axis: "axis 'method'", "the axis over quant.weight.bits".
std::string title(const Axis& axis);

// Names that a row of results has anyway, so that no axis can take them ("key", "top1").
bool is_reserved(std::string_view name);

// Names that conditions may use: named axes, configuration keys, "name" (the trial's). Labels are
// not among them: another axis may change them.
std::vector<std::string> condition_names(const std::vector<Axis>& axes);

// Columns of a trial's row besides axes and configuration keys; is_reserved() looks here.
std::span<const std::string_view> result_names();

}  // namespace bitsweep::sweep
