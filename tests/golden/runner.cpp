// Reading golden folders and running their cases.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>

#include "core/error.h"
#include "core/file.h"
#include "golden.h"

namespace bitsweep::golden {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDefaultRunner = "golden_test";

std::vector<fs::path> json_files(const fs::path& folder) {
  if (!fs::is_directory(folder))
    throw DataError(fmt::format("{} is no folder (BITSWEEP_GOLDEN)", folder.string()));
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".json") out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  if (out.empty()) throw DataError(fmt::format("{} has no .json file", folder.string()));
  return out;
}

std::vector<Case> read_cases(const fs::path& file) {
  const Json content = Json::parse(read_text_file(file));
  std::vector<Case> out;
  for (const Json& entry : content.at("cases")) {
    Case golden;
    golden.folder = file.parent_path();
    golden.topic = content.at("topic").get<std::string>();
    golden.name = entry.at("name").get<std::string>();
    golden.kind = entry.value("kind", "");
    golden.inputs = entry.at("inputs");
    golden.params = entry.at("params");
    golden.expect = entry.at("expect");
    golden.tolerance = entry.at("tolerance");
    golden.all = entry;
    golden.normative = entry.value("normative", true);
    out.push_back(std::move(golden));
  }
  if (out.empty()) throw DataError("it has no cases");
  return out;
}

// Whether a parameter is what an entry of the list asks for: a value, one of a list of values,
// {"not": value or list} or {"present": true}. An absent parameter equals null.
bool parameter_matches(const Json& params, const std::string& name, const Json& wanted) {
  const Json actual = params.contains(name) ? params.at(name) : Json();
  if (wanted.is_object() && wanted.contains("not"))
    return !parameter_matches(params, name, wanted.at("not"));
  if (wanted.is_object() && wanted.contains("present"))
    return actual.is_null() != wanted.at("present").get<bool>();
  if (wanted.is_array()) return std::find(wanted.begin(), wanted.end(), actual) != wanted.end();
  return actual == wanted;
}

// One entry of "not_yet": cases that a later issue brings.
struct NotYet {
  std::string topic;
  std::vector<std::string> kinds;  // empty: all
  Json params = Json::object();
  std::string when;  // "issue 4: training"
  bool used = false;

  bool matches(const Case& golden) const {
    if (golden.topic != topic) return false;
    if (!kinds.empty() && std::find(kinds.begin(), kinds.end(), golden.kind) == kinds.end())
      return false;
    return std::all_of(params.items().begin(), params.items().end(), [&](const auto& item) {
      return parameter_matches(golden.params, item.key(), item.value());
    });
  }
};

struct List {
  std::map<std::string, std::string> runner_of_topic;
  std::vector<NotYet> not_yet;

  std::string runner(const std::string& topic) const {
    const auto found = runner_of_topic.find(topic);
    return found == runner_of_topic.end() ? kDefaultRunner : found->second;
  }
  NotYet* find(const Case& golden) {
    const auto found = std::find_if(not_yet.begin(), not_yet.end(),
                                    [&](const NotYet& entry) { return entry.matches(golden); });
    return found == not_yet.end() ? nullptr : &*found;
  }
};

List read_list(const fs::path& path) {
  try {
    const Json content = Json::parse(read_text_file(path), nullptr, true, /*ignore_comments=*/true);
    List out;
    for (const auto& [runner, topics] : content.at("runners").items())
      for (const Json& topic : topics) out.runner_of_topic[topic.get<std::string>()] = runner;
    for (const Json& entry : content.at("not_yet"))
      for (const Json& topic : entry.at("topics")) {
        NotYet item;
        item.topic = topic.get<std::string>();
        if (entry.contains("kinds")) item.kinds = entry.at("kinds").get<std::vector<std::string>>();
        if (entry.contains("params")) item.params = entry.at("params");
        item.when = fmt::format("{}: {}", entry.at("brought_by").get<std::string>(),
                                entry.at("what").get<std::string>());
        out.not_yet.push_back(std::move(item));
      }
    return out;
  } catch (const Json::exception& error) {
    throw DataError(fmt::format("{}: {}", path.string(), error.what()));
  }
}

class Runner {
 public:
  Runner(const RunOptions& options, const Handlers& handlers)
      : options_(options), handlers_(handlers), list_(read_list(options.not_yet)) {}

  Summary run() {
    for (const fs::path& file : json_files(options_.folder)) run_file(file);
    if (options_.complete) report_stale_entries();
    for (const auto& [reason, count] : skipped_) fmt::print("skipped {}: {}\n", count, reason);
    return summary_;
  }

 private:
  void run_file(const fs::path& file) {
    std::vector<Case> cases;
    try {
      cases = read_cases(file);
    } catch (const std::exception& error) {
      // Unreadable, it belongs to nobody; the default runner speaks for it.
      if (options_.runner == kDefaultRunner) fail(file.filename().string(), error.what());
      return;
    }
    if (list_.runner(cases.front().topic) != options_.runner) return;
    ++summary_.files;
    for (const Case& golden : cases) run_case(golden);
  }

  void run_case(const Case& golden) {
    ++summary_.cases;
    const std::string label = fmt::format("{} / {}{}", golden.topic, golden.name,
                                          golden.kind.empty() ? "" : " (" + golden.kind + ")");
    NotYet* later = list_.find(golden);
    const Handler* handler = handlers_.find(golden);
    if (later != nullptr) later->used = true;
    if (handler != nullptr && later != nullptr)
      return fail(label, "is handled, and yet listed as not handled yet: remove the entry");
    if (handler == nullptr && later != nullptr) return skip(golden.topic + ": " + later->when);
    if (handler == nullptr)
      return fail(label, fmt::format("nothing handles this topic, kind and params ({})",
                                     golden.params.dump().substr(0, 120)));
    if (!golden.normative) return skip(golden.topic + ": behaviour of one peer, not normative");
    try {
      const Json answer = handler->run(golden);
      note_deferred_fields(golden, answer);
      const auto complaints = differences(golden, answer);
      if (!complaints.empty()) fail(label, fmt::format("{}", fmt::join(complaints, "; ")));
    } catch (const Skip& absent) {
      skip(golden.topic + ": " + absent.reason);
    } catch (const std::exception& error) {
      fail(label, error.what());
    }
  }

  // Printed beside the reasons for skipping; the case itself counts as run.
  void note_deferred_fields(const Case& golden, const Json& answer) {
    for (const auto& [name, field] : answer.items())
      if (field.is_object() && field.contains(kNotYet))
        ++skipped_[fmt::format("{}: {} alone: {}", golden.topic, name,
                               field.at(kNotYet).get<std::string>())];
  }

  void report_stale_entries() {
    for (const NotYet& entry : list_.not_yet)
      if (!entry.used && list_.runner(entry.topic) == options_.runner)
        fail(options_.not_yet.filename().string(),
             fmt::format("the entry '{}' of {} matches no case", entry.when, entry.topic));
  }

  void fail(const std::string& what, const std::string& why) {
    ++summary_.failed;
    fmt::print("FAILED {}: {}\n", what, why);
  }
  void skip(const std::string& reason) {
    ++summary_.skipped;
    ++skipped_[reason];
  }

  const RunOptions& options_;
  const Handlers& handlers_;
  List list_;
  Summary summary_;
  std::map<std::string, int> skipped_;
};

}  // namespace

const Handler* Handlers::find(const Case& golden) const {
  const auto found = std::find_if(handlers_.begin(), handlers_.end(), [&](const Handler& handler) {
    const auto& kinds = handler.kinds;
    return handler.topic == golden.topic &&
           (kinds.empty() || std::find(kinds.begin(), kinds.end(), golden.kind) != kinds.end()) &&
           (handler.takes == nullptr || handler.takes(golden));
  });
  return found == handlers_.end() ? nullptr : &*found;
}

Summary run_golden(const RunOptions& options, const Handlers& handlers) {
  return Runner(options, handlers).run();
}

int golden_main(const std::string& runner, const Handlers& handlers) {
  const fs::path own = BITSWEEP_GOLDEN_SOURCE;
  const char* other = std::getenv("BITSWEEP_GOLDEN");
  const bool is_own = other == nullptr || *other == '\0';
  Summary summary;
  try {
    summary = run_golden({.folder = is_own ? own : fs::path(other),
                          .not_yet = own / "not_yet.jsonc",
                          .runner = runner,
                          .complete = is_own},
                         handlers);
  } catch (const std::exception& error) {
    fmt::print("FAILED {}\n", error.what());
    ++summary.failed;
  }
  fmt::print("golden files={} cases={} failed={} skipped={}\n", summary.files, summary.cases,
             summary.failed, summary.skipped);
  if (summary.failed > 0) return 1;
  return summary.cases > 0 && summary.skipped == summary.cases ? 77 : 0;
}

}  // namespace bitsweep::golden
