#include "report/provenance.h"

#include "report/format.h"

namespace bitsweep::report {
namespace {

// A whole patch is no table cell: its digest stands there, the patch in trials.jsonl.
constexpr const char* kPatch = "git_patch";

void flatten(const std::string& prefix, const nlohmann::json& value, Provenance& out) {
  if (value.is_object()) {
    for (const auto& [name, inner] : value.items()) {
      flatten(prefix.empty() ? name : prefix + "." + name, inner, out);
    }
  } else if (!value.is_null() && prefix != kPatch) {
    ++out[prefix][format_json(value)];
  }
}

}  // namespace

Provenance provenance_of(const ReportInput& input) {
  Provenance found;
  for (const Run& run : input.runs) {
    const store::AttemptRecord* attempt = run.shown();
    if (attempt == nullptr || attempt->status != store::Status::ok) continue;
    flatten("", attempt->fingerprint, found);
    if (!attempt->fingerprint.contains("device") && !attempt->device.empty()) {
      ++found["device"][attempt->device];
    }
  }
  return found;
}

Table provenance_table(const Provenance& provenance) {
  Table table;
  table.columns = {{"what"}, {"value"}, {"trials", Align::right}};
  for (const auto& [name, values] : provenance) {
    for (const auto& [value, trials] : values) {
      Row row;
      row.cells.emplace_back(name);
      row.cells.emplace_back();
      row.cells.back().add(value, Style::code);
      row.cells.emplace_back(std::to_string(trials));
      table.rows.push_back(std::move(row));
    }
  }
  return table;
}

}  // namespace bitsweep::report
