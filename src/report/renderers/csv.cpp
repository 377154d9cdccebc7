// data.csv: one line a trial, every column that `query` knows; values raw (accuracies are
// fractions).
#include <set>

#include "core/escape.h"
#include "report/renderer.h"

namespace bitsweep::report {
namespace {

std::string field(const nlohmann::json& value) {
  if (value.is_null()) return "";
  return escape_csv(value.is_string() ? value.get<std::string>() : value.dump());
}

// key, name, cell, status, seed, axes, metrics, configuration.
std::vector<std::string> columns(const RenderInput& input) {
  std::vector<std::string> out{"key", "name", "cell", "status", "seed"};
  std::set<std::string> known(out.begin(), out.end());
  const auto add = [&](const std::string& name) {
    if (known.insert(name).second) out.push_back(name);
  };
  std::set<std::string> metrics;
  std::set<std::string> configuration;
  for (const Run& run : input.input.runs) {
    for (const auto& [label, value] : run.membership().axes) add(label);
    for (const auto& [name, value] : run.trial.config.items()) configuration.insert(name);
    if (const store::AttemptRecord* attempt = run.shown()) {
      for (const auto& [name, value] : attempt->finals.items()) metrics.insert(name);
      metrics.insert("seconds");
    }
  }
  for (const std::string& name : metrics) add(name);
  for (const std::string& name : configuration) add(name);
  return out;
}

std::string render(const RenderInput& input) {
  const std::vector<std::string> names = columns(input);
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ",") + escape_csv(name);
  out += "\r\n";
  for (const Group& group : input.groups) {
    for (const Run* run : group.runs) {
      nlohmann::json row = run->row();
      row["cell"] = group.anchor;
      for (const std::string& name : names) {
        if (&name != &names.front()) out += ',';
        const auto it = row.find(name);
        if (it != row.end()) out += field(*it);
      }
      out += "\r\n";
    }
  }
  return out;
}

}  // namespace

void register_csv(Registry<Renderer>& registry) {
  registry.add({"csv", "One line a trial, every column, raw values", "data.csv", render});
}

}  // namespace bitsweep::report
