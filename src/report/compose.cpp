#include "report/compose.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "core/file.h"
#include "core/hash.h"
#include "core/text.h"
#include "report/axes.h"
#include "report/format.h"
#include "report/gnuplot.h"
#include "report/plot.h"
#include "report/provenance.h"
#include "report/renderer.h"
#include "report/tables.h"
#include "report/trial_lines.h"

namespace bitsweep::report {
namespace {

// Fingerprints that may change the last bits of a result (the numeric fingerprint).
constexpr std::array kNumeric{"libtorch",    "device",  "cpu", "instruction_set",
                              "convolution", "threads", "libc"};
constexpr std::size_t kMostListed = 8;  // values of an axis in the header

Text code(std::string label, std::string value) {
  Text text(std::move(label));
  text.add(std::move(value), Style::code);
  return text;
}

std::string listed(const std::vector<std::string>& values) {
  if (values.size() <= kMostListed) return join(values, ", ");
  const std::vector<std::string> first(values.begin(), values.begin() + kMostListed);
  return fmt::format("{}, … ({} in all)", join(first, ", "), values.size());
}

std::string what_was_asked(const ReportInput& input, const std::vector<Group>& groups) {
  std::vector<std::string> axes;
  for (const std::string& axis : varying_axes(groups)) {
    std::vector<std::string> values;
    for (const Group& group : groups) {
      const nlohmann::json value = group.value_of(axis);
      const std::string text = format_json(value);
      if (!value.is_null() && std::find(values.begin(), values.end(), text) == values.end()) {
        values.push_back(text);
      }
    }
    axes.push_back(fmt::format("{} ({})", axis, listed(values)));
  }
  std::set<std::uint64_t> seeds;
  for (const Run& run : input.runs) seeds.insert(run.trial.seed);
  std::vector<std::string> seed_words;
  for (const std::uint64_t seed : seeds) seed_words.push_back(std::to_string(seed));
  std::string out =
      fmt::format("{} trials of {} configurations",
                  format_count(static_cast<std::int64_t>(input.runs.size())), groups.size());
  if (!axes.empty()) out += ": " + join(axes, " × ");
  if (!seeds.empty())
    out += fmt::format("; {} {}", seeds.size() == 1 ? "seed" : "seeds", listed(seed_words));
  return out;
}

std::string status_counts(const ReportInput& input) {
  std::map<store::Status, std::int64_t> counts;
  for (const Run& run : input.runs) ++counts[run.status()];
  std::vector<std::string> words;
  for (const auto& [status, count] : counts) {
    const bool waits = status == store::Status::queued;
    words.push_back(fmt::format("{} {}", format_count(count),
                                waits ? "not run" : std::string(to_string(status))));
  }
  if (!input.skipped.empty()) words.push_back(fmt::format("{} skipped", input.skipped.size()));
  return words.empty() ? "none" : join(words, ", ");
}

// "Revision: `a1b2…`": one item where the fingerprints have `names`, all their values listed.
void add_fingerprint(List& list, const std::string& label, const std::vector<std::string>& names,
                     const Provenance& provenance) {
  Text text(label + ":");
  for (const std::string& name : names) {
    const auto found = provenance.find(name);
    if (found == provenance.end()) continue;
    for (const auto& [value, trials] : found->second) text.add(" ").add(value, Style::code);
  }
  if (text.spans.size() > 1) list.items.push_back(std::move(text));
}

void add_header(Document& document, const ReportInput& input, const std::vector<Group>& groups,
                const Provenance& provenance) {
  List list;
  list.items.emplace_back("Asked: " + what_was_asked(input, groups));
  list.items.emplace_back("Trials: " + status_counts(input));
  list.items.push_back(code("Sweep: ", input.source));
  list.items.back().add(", SHA-256 ").add(input.sweep.sha256, Style::code);
  list.items.push_back(code("Results: SHA-256 of trials.jsonl ", sha256_hex(trial_lines(groups))));
  add_fingerprint(list, "Revision", {"git_revision"}, provenance);
  add_fingerprint(list, "Device", {"device", "cpu", "gpu"}, provenance);
  add_fingerprint(list, "Data, decoded test and training records",
                  {"data.name", "data.test_sha256", "data.train_sha256"}, provenance);
  document.blocks.emplace_back(std::move(list));
  for (const std::string& note : input.notes) document.blocks.emplace_back(Paragraph{note});
}

void add_claims(Document& document, const std::vector<Judgement>& judgements) {
  if (judgements.empty()) return;
  document.blocks.emplace_back(Heading{2, "Published and ours"});
  document.blocks.emplace_back(claims_table(judgements));
  document.blocks.emplace_back(
      Paragraph{"Reproduced: the 95 % interval of the difference lies inside the claim's "
                "tolerance; gap: wholly "
                "outside; undecided: neither, with the number that would decide at the same mean. "
                "The published "
                "value counts as exact."});
  List sources;
  for (const Judgement& judgement : judgements) {
    const nlohmann::json& details = judgement.claim->details;
    std::vector<std::string> words;
    for (const char* name : {"source", "table", "grade", "note"}) {
      if (details.contains(name) && details[name].is_string()) words.push_back(details[name]);
    }
    if (words.empty()) continue;
    sources.items.emplace_back();
    sources.items.back().add(judgement.claim->id, Style::code).add(": " + join(words, "; "));
  }
  if (!sources.items.empty()) document.blocks.emplace_back(std::move(sources));
}

void add_tables(Document& document, const ReportInput& input, const std::vector<Group>& groups,
                const std::vector<Judgement>& judgements) {
  if (!input.tables.empty()) document.blocks.emplace_back(Heading{2, "Results"});
  for (const TableLayout& layout : input.tables) {
    document.blocks.emplace_back(layout_table(layout, groups, judgements));
  }
  document.blocks.emplace_back(Heading{2, "All configurations"});
  document.blocks.emplace_back(overview_table(groups));
  document.blocks.emplace_back(
      Paragraph{"Several seeds: mean ± standard deviation (number of seeds), Student's t interval "
                "of the mean; one "
                "seed, or seeds that changed nothing: exact binomial interval (Clopper–Pearson) "
                "over the images. "
                "McNemar p: exact, two-sided, on the same images as the FP32 row."});
  Table paired = paired_table(groups);
  if (paired.rows.empty()) return;
  document.blocks.emplace_back(Heading{2, "On the same images"});
  document.blocks.emplace_back(std::move(paired));
  document.blocks.emplace_back(Paragraph{
      "Above the diagonal: exact McNemar p of the two configurations; below it: images that only "
      "the row "
      "· only the column gets right. Trials of equal seed are compared where there are several."});
}

std::vector<Figure> add_figures(Document& document, const std::vector<Group>& groups,
                                const std::vector<Judgement>& judgements) {
  std::vector<Figure> figures;
  List skipped;
  document.blocks.emplace_back(Heading{2, "Figures"});
  for (const Plot& plot : plots().entries()) {
    const Plots drawn = plot.draw({groups, judgements});
    for (const Drawing& drawing : drawn.drawings) {
      figures.push_back(
          {drawing.id, draw_png(drawing.picture), draw_svg(drawing.picture), drawing.csv});
      document.blocks.emplace_back(FigureBlock{drawing.id, drawing.caption});
    }
    for (const std::string& reason : drawn.skipped)
      skipped.items.emplace_back("Not drawn: " + reason);
  }
  if (!skipped.items.empty()) document.blocks.emplace_back(std::move(skipped));
  return figures;
}

void add_trials(Document& document, const ReportInput& input, const std::vector<Group>& groups) {
  document.blocks.emplace_back(Heading{2, "Trials"});
  document.blocks.emplace_back(trials_table(input, groups));
  List failures;
  for (const Run& run : input.runs) {
    const store::AttemptRecord* attempt = run.shown();
    if (attempt == nullptr || !attempt->failure) continue;
    failures.items.emplace_back();
    failures.items.back()
        .add(run.membership().name, Style::code)
        .add(fmt::format(": {}: {}", attempt->failure->failure_class, attempt->failure->message));
  }
  if (!failures.items.empty()) {
    document.blocks.emplace_back(Heading{3, "Failures"});
    document.blocks.emplace_back(std::move(failures));
  }
  if (input.skipped.empty()) return;
  List points;
  for (const SkippedPoint& point : input.skipped) {
    points.items.emplace_back();
    points.items.back().add(point.name, Style::code).add(": " + point.reason);
  }
  document.blocks.emplace_back(Heading{3, "Skipped points"});
  document.blocks.emplace_back(std::move(points));
}

// What the results themselves give reason to doubt.
std::vector<std::string> lints_of_results(const std::vector<Group>& groups,
                                          const Provenance& provenance) {
  std::vector<std::string> out;
  for (const Group& group : groups) {
    const std::size_t successful = group.successful().size();
    if (successful == 0 || successful == group.runs.size()) continue;
    out.push_back(fmt::format("{}: {} of {} trials succeeded; its numbers are theirs alone",
                              group.name, successful, group.runs.size()));
  }
  for (const char* name : kNumeric) {
    const auto found = provenance.find(name);
    if (found == provenance.end() || found->second.size() < 2) continue;
    out.push_back(
        fmt::format("trials differ in {}: last bits may differ for that reason alone", name));
  }
  return out;
}

void add_footer(Document& document, const ReportInput& input, const std::vector<Group>& groups,
                const Provenance& provenance) {
  if (!provenance.empty()) {
    document.blocks.emplace_back(Heading{2, "Provenance"});
    document.blocks.emplace_back(provenance_table(provenance));
  }
  List lints;
  for (const std::string& lint : input.lints) lints.items.emplace_back(lint);
  for (const std::string& lint : lints_of_results(groups, provenance))
    lints.items.emplace_back(lint);
  if (lints.items.empty()) return;
  document.blocks.emplace_back(Heading{2, "Lints"});
  document.blocks.emplace_back(std::move(lints));
}

bool is_older_figure(const std::filesystem::path& path, const Report& report,
                     const std::filesystem::path& folder) {
  const std::string extension = path.extension();
  if (extension != ".png" && extension != ".svg" && extension != ".csv") return false;
  return std::none_of(report.files.begin(), report.files.end(),
                      [&](const ReportFile& file) { return folder / file.path == path; });
}

}  // namespace

Report compose(const ReportInput& input) {
  const std::vector<Group> groups = group_by_seed(input);
  const std::vector<Judgement> judgements = judge_claims(input, groups);
  const Provenance provenance = provenance_of(input);
  Document document;
  document.title = input.sweep.name;
  add_header(document, input, groups, provenance);
  add_claims(document, judgements);
  add_tables(document, input, groups, judgements);
  const std::vector<Figure> figures = add_figures(document, groups, judgements);
  add_trials(document, input, groups);
  add_footer(document, input, groups, provenance);

  Report report;
  for (const Figure& figure : figures) {
    const std::filesystem::path stem = std::filesystem::path("fig") / figure.id;
    report.files.push_back({stem.string() + ".png", figure.png});
    report.files.push_back({stem.string() + ".svg", figure.svg});
    report.files.push_back({stem.string() + ".csv", figure.csv});
  }
  const RenderInput render{input, groups, document, figures};
  for (const Renderer& renderer : renderers().entries()) {
    report.files.push_back({renderer.file, renderer.render(render)});
  }
  std::stable_partition(report.files.begin(), report.files.end(),
                        [](const ReportFile& file) { return file.path != "report.md"; });
  for (const Judgement& judgement : judgements) {
    if (is_missed(judgement.verdict)) {
      report.missed.push_back(
          fmt::format("{}: {}", judgement.claim->id, to_string(judgement.verdict)));
    }
  }
  return report;
}

std::filesystem::path write_report(const Report& report, const std::filesystem::path& folder) {
  for (const ReportFile& file : report.files) write_file_atomic(folder / file.path, file.content);
  std::error_code error;
  std::vector<std::filesystem::path> older;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "fig", error)) {
    if (is_older_figure(entry.path(), report, folder)) older.push_back(entry.path());
  }
  for (const std::filesystem::path& path : older) std::filesystem::remove(path, error);
  return folder / "report.md";
}

}  // namespace bitsweep::report
