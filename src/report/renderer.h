// One file of a report folder: a renderer is a file src/report/renderers/<word>.cpp and the word in
// src/report/meson.build.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/registry.h"
#include "report/document.h"
#include "report/group.h"
#include "report/input.h"

namespace bitsweep::report {

// A drawn figure: the bytes of its three files.
struct Figure {
  std::string id;
  std::string png;
  std::string svg;
  std::string csv;
};

struct RenderInput {
  const ReportInput& input;
  const std::vector<Group>& groups;
  const Document& document;
  const std::vector<Figure>& figures;
};

struct Renderer {
  std::string name;  // "markdown"
  std::string summary;
  std::string file;  // "report.md"
  std::string (*render)(const RenderInput& input) = nullptr;
};

const Registry<Renderer>& renderers();

}  // namespace bitsweep::report
