#include "sweep/read_claims.h"

#include <fmt/format.h>

#include <set>

#include "core/error.h"
#include "sweep/names.h"
#include "sweep/table_reader.h"

namespace bitsweep::sweep {
namespace {

// Where a published number comes from and how it was printed: kept as written, never computed with.
const std::vector<std::string> kDetails = {"document",
                                           "table",
                                           "source",
                                           "note",
                                           "grade",
                                           "dataset",
                                           "model",
                                           "method",
                                           "config",
                                           "decimals",
                                           "needs",
                                           "needs_weights",
                                           "baseline",
                                           "outcome",
                                           "composition",
                                           "delta_points",
                                           "tolerance_basis",
                                           "value_below_percent",
                                           "published_error_percent",
                                           "published_speedup"};

std::vector<std::string> claim_keys() {
  std::vector<std::string> keys = {"id",    "where",         "metric",    "requires",
                                   "value", "value_percent", "tolerance", "tolerance_percent"};
  keys.insert(keys.end(), kDetails.begin(), kDetails.end());
  return keys;
}

void read_value(const TableReader& reader, Claim& claim) {
  const auto value = reader.number("value");
  const auto tolerance = reader.number("tolerance");
  const auto value_percent = reader.number("value_percent");
  const auto tolerance_percent = reader.number("tolerance_percent");
  if (value && value_percent) reader.refuse("value_percent", "value is there, too");
  if (tolerance && tolerance_percent) reader.refuse("tolerance_percent", "tolerance is there, too");
  if (!value && !value_percent) {
    // A source may print no number (never run, not published): there is nothing to reproduce.
    const config::Entry* grade = reader.entry("grade");
    if (grade == nullptr) {
      reader.refuse("value_percent", "expected value_percent (an accuracy in percent) or value");
    }
    return;
  }
  claim.percent = value_percent.has_value();
  const auto& half_width = claim.percent ? tolerance_percent : tolerance;
  const char* name = claim.percent ? "tolerance_percent" : "tolerance";
  if (!half_width) reader.refuse(name, "expected the half-width around the published value");
  if (*half_width < 0) reader.refuse(name, "expected a number from 0");
  if (claim.percent && (*value_percent < 0 || *value_percent > 100)) {
    reader.refuse("value_percent", "expected a number from 0 to 100");
  }
  claim.value = claim.percent ? *value_percent / 100 : *value;
  claim.tolerance = claim.percent ? *half_width / 100 : *half_width;
}

}  // namespace

Condition read_condition(const config::Entry& entry, std::string_view key,
                         std::span<const std::string> names) {
  const auto* text = entry.value() ? entry.value()->as<std::string>() : nullptr;
  if (text == nullptr) {
    throw ConfigError(
        fmt::format("{}: {} = {} is not allowed; expected a condition in quotation "
                    "marks, such as 'quant.weight.bits == 4'",
                    entry.place(), key, config::format_value(config::to_value(entry))));
  }
  return {config::Expression::parse(*text, entry.place(), names), entry.place()};
}

std::vector<Claim> read_claims(const config::Entry& root, std::span<const std::string> names) {
  // What a claim requires may also be said of the results: images == 50000.
  std::vector<std::string> result_and_names(names.begin(), names.end());
  for (const std::string_view name : result_names()) result_and_names.emplace_back(name);

  std::vector<Claim> claims;
  std::set<std::string> ids;
  for (const config::Entry* table : tables_under(root, "paper")) {
    const TableReader reader(*table, "[[paper]]", claim_keys());
    Claim claim;
    claim.place = reader.place();
    claim.id = reader.required_text("id");
    if (!ids.insert(claim.id).second) reader.refuse("id", "another [[paper]] has this id");
    claim.metric = reader.required_text("metric");
    if (const auto* where = reader.entry("where")) {
      claim.where = read_condition(*where, "where", names);
    }
    if (const auto* requires_ = reader.entry("requires")) {
      claim.requires_ = read_condition(*requires_, "requires", result_and_names);
    }
    read_value(reader, claim);
    claim.details = nlohmann::json::object();
    for (const std::string& key : kDetails) {
      if (const auto* entry = reader.entry(key)) {
        claim.details[key] = config::to_json(config::to_value(*entry));
      }
    }
    claims.push_back(std::move(claim));
  }
  return claims;
}

std::vector<TableLayout> read_table_layouts(const config::Entry& root,
                                            std::span<const std::string> names) {
  std::vector<TableLayout> layouts;
  for (const config::Entry* table : tables_under(root, "table")) {
    const TableReader reader(*table, "[[table]]", {"title", "rows", "columns", "metric", "where"});
    TableLayout layout;
    layout.place = reader.place();
    layout.title = reader.text("title").value_or("");
    layout.rows = reader.texts("rows");
    if (layout.rows.empty()) reader.refuse("rows", "expected an axis or a configuration key");
    layout.columns = reader.texts("columns");
    layout.metric = reader.text("metric").value_or("top1");
    if (const auto* where = reader.entry("where")) {
      layout.where = read_condition(*where, "where", names);
    }
    layouts.push_back(std::move(layout));
  }
  return layouts;
}

}  // namespace bitsweep::sweep
