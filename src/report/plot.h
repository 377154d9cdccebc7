// One kind of plot: a file src/report/plots/<word>.cpp and the word in src/report/meson.build. A
// plot decides from the data whether it applies, and says so where it does not.
#pragma once

#include <string>
#include <vector>

#include "core/registry.h"
#include "report/gnuplot.h"
#include "report/group.h"
#include "report/verdict.h"

namespace bitsweep::report {

struct PlotInput {
  const std::vector<Group>& groups;
  const std::vector<Judgement>& judgements;
};

struct Drawing {
  std::string id;  // file name under fig/
  std::string caption;
  Picture picture;
  std::string csv;  // what is drawn, one line a mark; accuracies are fractions
};

struct Plots {
  std::vector<Drawing> drawings;
  std::vector<std::string> skipped;  // why not, one clause each
};

struct Plot {
  std::string name;
  std::string summary;
  Plots (*draw)(const PlotInput& input) = nullptr;
};

const Registry<Plot>& plots();

}  // namespace bitsweep::report
