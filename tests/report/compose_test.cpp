// Whole reports, from made-up results to files.
#include "report/compose.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstdlib>
#include <filesystem>

#include "core/error.h"
#include "core/file.h"
#include "core/text.h"
#include "fixture.h"

using namespace bitsweep;
using namespace bitsweep::report;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;

namespace {

ReportInput claimed_input() {
  ReportInput input = demo_input();
  input.sweep.claims = {
      claim("demo.w8a8", "bits == 'W8A8' and granularity == 'channel'", 0.915, 0.005),
      claim("demo.w4a4", "bits == 'W4A4' and granularity == 'tensor'", 0.7012, 0.005),
      claim("demo.whole", "bits == 'W4A4' and granularity == 'channel'", 0.83, 0.005,
            "data.test_images == 10000")};
  return input;
}

std::string file_of(const Report& report, const std::string& path) {
  for (const ReportFile& file : report.files) {
    if (file.path == path) return file.content;
  }
  FAIL("the report has no " << path);
  std::abort();
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = std::filesystem::temp_directory_path() / "bitsweep-report-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace

// BITSWEEP_UPDATE_GOLDEN=1 build/tests/report/report_test writes the file anew.
TEST_CASE("report.md of a small sweep reads as its golden file") {
  const std::string markdown = file_of(compose(claimed_input()), "report.md");
  const std::filesystem::path golden = REPORT_GOLDEN;
  if (std::getenv("BITSWEEP_UPDATE_GOLDEN") != nullptr) write_file_atomic(golden, markdown);
  CHECK(markdown == read_text_file(golden));
}

TEST_CASE("the same input gives the same bytes in every file") {
  const Report first = compose(claimed_input());
  const Report second = compose(claimed_input());
  REQUIRE(first.files.size() == second.files.size());
  for (std::size_t i = 0; i < first.files.size(); ++i) {
    CAPTURE(first.files[i].path);
    CHECK(first.files[i].path == second.files[i].path);
    CHECK((first.files[i].content == second.files[i].content));
  }
}

TEST_CASE("a report has every file and names the claims that a gate refuses") {
  const Report report = compose(claimed_input());
  for (const char* path :
       {"report.html", "report.tex", "data.csv", "trials.jsonl", "fig/accuracy.png",
        "fig/accuracy.svg", "fig/accuracy.csv", "fig/heat-map.png", "fig/tradeoff-bops.png"}) {
    CHECK_FALSE(file_of(report, path).empty());
  }
  CHECK(file_of(report, "fig/accuracy.png").substr(1, 3) == "PNG");
  CHECK(report.files.back().path == "report.md");
  CHECK(report.missed == std::vector<std::string>{"demo.w4a4: gap"});
}

TEST_CASE("a method measured at three common widths becomes a line of the width curves") {
  ReportInput input = demo_input();
  const auto has_curves = [](const Report& report) {
    return std::ranges::any_of(report.files,
                               [](const auto& f) { return f.path == "fig/width-curves.csv"; });
  };
  CHECK_FALSE(has_curves(compose(input)));  // two widths alone
  for (Run& run : input.runs) {
    nlohmann::json& config = run.trial.config;
    if (config["quant.weight.bits"] != 4 || config["quant.activation.bits"] != 8) continue;
    config["quant.weight.bits"] = config["quant.activation.bits"] = 6;
  }
  const Report report = compose(input);
  REQUIRE(has_curves(report));
  const std::string csv = file_of(report, "fig/width-curves.csv");
  CHECK_THAT(csv, ContainsSubstring(",4,"));
  CHECK_THAT(csv, ContainsSubstring(",6,"));
  CHECK_THAT(csv, ContainsSubstring(",8,"));
}

TEST_CASE("the page loads nothing from elsewhere") {
  const std::string page = file_of(compose(claimed_input()), "report.html");
  CHECK(page.find("http://") == std::string::npos);
  CHECK(page.find("https://") == std::string::npos);
  CHECK(page.find("<script") == std::string::npos);
}

TEST_CASE("names cannot smuggle markup, formulas or gnuplot commands into a report") {
  ReportInput input = demo_input();
  const std::string nasty = "=1+1|<script>alert(1)</script>`touch x`'\"\\%$_{}\n";
  for (Run& run : input.runs) {
    for (auto& [label, value] : run.trial.memberships.front().axes) {
      if (value == "tensor") value = nasty;
    }
    if (run.membership().axes.empty()) run.trial.memberships.front().group = "demo/" + nasty;
  }
  const Report report = compose(input);
  CHECK(file_of(report, "report.html").find("<script") == std::string::npos);
  CHECK(file_of(report, "report.md").find("<script") == std::string::npos);
  CHECK(file_of(report, "data.csv").find(",=1") == std::string::npos);
  CHECK(file_of(report, "data.csv").find("\"=1") == std::string::npos);
  CHECK(file_of(report, "report.tex").find("alert(1)</script>") == std::string::npos);
  CHECK_FALSE(std::filesystem::exists("x"));
}

TEST_CASE("a report without any results says so instead of failing") {
  ReportInput input = demo_input();
  for (Run& run : input.runs) run.attempts.clear();
  const std::string markdown = file_of(compose(input), "report.md");
  CHECK_THAT(markdown, ContainsSubstring("9 not run"));
  CHECK_THAT(markdown, ContainsSubstring("no results yet"));
}

TEST_CASE("a table that no configuration matches is left to its lint, empty") {
  ReportInput input = demo_input();
  input.tables = {{"Nothing", "bits == 'W2A2'", {"bits"}, {"granularity"}, "top1"}};
  CHECK_THAT(file_of(compose(input), "report.md"), ContainsSubstring("Nothing"));
}

TEST_CASE("write_report replaces figures of an older report and leaves other files") {
  const TemporaryFolder folder;
  write_file_atomic(folder.path() / "fig" / "old.png", std::string_view("old"));
  write_file_atomic(folder.path() / "notes.txt", std::string_view("mine"));
  const auto path = write_report(compose(demo_input()), folder.path());
  CHECK(path == folder.path() / "report.md");
  CHECK_FALSE(std::filesystem::exists(folder.path() / "fig" / "old.png"));
  CHECK(std::filesystem::exists(folder.path() / "fig" / "accuracy.png"));
  CHECK(read_text_file(folder.path() / "notes.txt") == "mine");
}

TEST_CASE("trials.jsonl says of every trial which cell of the report it stands behind") {
  const ReportInput input = demo_input();
  std::size_t line_number = 0;
  for (const std::string& line : split(file_of(compose(input), "trials.jsonl"), '\n')) {
    if (line.empty()) continue;
    const auto [trial, attempts] =
        store::trial_with_attempts_from_json(nlohmann::json::parse(line));
    CHECK(trial == input.runs[line_number].trial);
    CHECK(attempts.size() == 1);
    CHECK(nlohmann::json::parse(line)["cell"] == fmt::format("c{}", ++line_number));
  }
  CHECK(line_number == input.runs.size());
}
