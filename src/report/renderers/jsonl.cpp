// trials.jsonl: configuration, attempts, metrics, bitmap digests and fingerprints of every trial.
// `db import` and `repro REPORT#CELL` work from it after the database is gone.
#include "report/renderer.h"
#include "report/trial_lines.h"

namespace bitsweep::report {
namespace {

std::string render(const RenderInput& input) { return trial_lines(input.groups); }

}  // namespace

void register_jsonl(Registry<Renderer>& registry) {
  registry.add(
      {"jsonl", "Every trial with its attempts, for db import and repro", "trials.jsonl", render});
}

}  // namespace bitsweep::report
