// The main function of every Catch2 test: all skipped is Meson's exit code 77 (Catch2's is 4), and
// standard error ends with the counts and the skipped cases, for scripts/test_summary.py.
#include <catch2/catch_session.hpp>
#include <catch2/catch_test_case_info.hpp>
#include <catch2/reporters/catch_reporter_event_listener.hpp>
#include <catch2/reporters/catch_reporter_registrars.hpp>
#include <cstdio>

namespace {

constexpr int kCatchAllSkipped = 4;
constexpr int kMesonSkipped = 77;

class SummaryListener : public Catch::EventListenerBase {
 public:
  using EventListenerBase::EventListenerBase;

  void testCaseStarting(const Catch::TestCaseInfo& info) override { name_ = info.name; }

  void assertionEnded(const Catch::AssertionStats& stats) override {
    if (stats.assertionResult.getResultType() != Catch::ResultWas::ExplicitSkip) return;
    const Catch::StringRef reason = stats.assertionResult.getMessage();
    std::fprintf(stderr, "skipped \"%s\": %.*s\n", name_.c_str(), static_cast<int>(reason.size()),
                 reason.data());
  }

  void testRunEnded(const Catch::TestRunStats& stats) override {
    const Catch::Counts& cases = stats.totals.testCases;
    std::fprintf(stderr, "tests passed=%u failed=%u skipped=%u\n",
                 static_cast<unsigned>(cases.passed + cases.failedButOk),
                 static_cast<unsigned>(cases.failed), static_cast<unsigned>(cases.skipped));
  }

 private:
  std::string name_;
};

CATCH_REGISTER_LISTENER(SummaryListener)

}  // namespace

int main(int argc, char** argv) {
  const int status = Catch::Session().run(argc, argv);
  return status == kCatchAllSkipped ? kMesonSkipped : status;
}
