// The real worker program through its pipes, as the supervisor drives it.
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "config/settings.h"
#include "core/file.h"
#include "core/hash.h"
#include "run/worker_process.h"

using namespace bitsweep;
using Catch::Matchers::ContainsSubstring;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (fs::temp_directory_path() / "bitsweep-worker-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~TemporaryFolder() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// Sets BITSWEEP_TEST_FAULT (src/worker/faults.h) for the workers that this scope starts.
class Fault {
 public:
  explicit Fault(const char* text) { ::setenv("BITSWEEP_TEST_FAULT", text, 1); }
  ~Fault() { ::unsetenv("BITSWEEP_TEST_FAULT"); }
};

run::Job job(const TemporaryFolder& folder, std::string key = "0123",
             const std::string& weights = "resnet20_a_akamaster.safetensors") {
  config::Settings settings;
  const auto set = [&](const char* name, config::Value value) {
    settings.set(name, std::move(value), "test");
  };
  set("model.name", "resnet20");
  set("model.shortcut", "A");
  set("model.weights", "as written in the sweep");
  set("data.name", "cifar10_small");
  set("data.normalize", "imagenet");
  set("data.test_images", 60);
  set("quant.scheme", "aciq");
  set("quant.calibration.images", 16);
  set("quant.calibration.batch_size", 8);
  run::Job out;
  out.key = std::move(key);
  out.settings = settings.to_json();
  out.paths = {{"model.weights", fs::absolute(fs::path("experiments/weights") / weights).string()}};
  out.attempt_folder = folder.path();
  out.device = "cpu";
  return out;
}

// Events up to the end of `jobs` jobs, or of the worker.
std::vector<json> events_of_job(run::WorkerProcess& worker, int jobs = 1) {
  std::vector<json> out;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  for (bool ended = false; !ended && std::chrono::steady_clock::now() < deadline;) {
    pollfd ready{worker.event_descriptor(), POLLIN, 0};
    ::poll(&ready, 1, 1000);
    for (json& event : worker.read_events(ended)) {
      out.push_back(std::move(event));
      const std::string kind = out.back().at("event");
      if (kind == "done" || kind == "failed") --jobs;
      if (jobs == 0) return out;
    }
  }
  return out;
}

json read_json(const fs::path& path) { return json::parse(std::ifstream(path)); }

bool is_gone(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(stat, text);
  return text.empty() || text.find(") Z ") != std::string::npos;
}

}  // namespace

TEST_CASE("a job ends with its result in the attempt folder") {
  const TemporaryFolder folder;
  run::WorkerProcess worker(WORKER_PROGRAM, 1);
  REQUIRE(worker.send({{job(folder)}, 0}));
  const std::vector<json> events = events_of_job(worker);
  REQUIRE(events.size() >= 5);
  CHECK(events[0].at("event") == "ready");
  CHECK(events[0].at("pid") == worker.pid());
  CHECK(events[1].at("event") == "started");
  CHECK(events[2].at("phase") == "calibrate");
  CHECK(events[events.size() - 2].at("done") == 60);
  const json& done = events.back();
  REQUIRE(done.at("event") == "done");
  CHECK(done.at("peak_memory_bytes") > 10'000'000);

  const json result = read_json(folder.path() / "result.json");
  CHECK(result.at("schema_version") == 1);
  CHECK(result.at("key") == "0123");
  CHECK(result.at("status") == "ok");
  CHECK(result.at("metrics") == done.at("metrics"));
  CHECK(result.at("metrics").at("images") == 60);
  CHECK(result.at("metrics").at("top1") > 0.8);
  CHECK(result.at("metrics").at("weight_bits_average") == 8.0);
  CHECK(result.at("fingerprint").at("threads") == 1);
  CHECK(result.at("layers").size() == 20);
  const auto bitmap = read_binary_file(folder.path() / "top1.bitmap");
  CHECK(bitmap.size() == 8);
  CHECK(result.at("bitmaps").at("top1").at("sha256") == sha256_hex(std::span(bitmap)));
}

TEST_CASE("a failed job is told with its class, and the worker goes on") {
  const TemporaryFolder folder;
  run::WorkerProcess worker(WORKER_PROGRAM, 1);
  REQUIRE(worker.send({{job(folder, "aaaa", "nowhere.safetensors")}, 0}));
  const json failed = events_of_job(worker).back();
  CHECK(failed.at("event") == "failed");
  CHECK(failed.at("class") == "data");
  CHECK_THAT(failed.at("message").get<std::string>(), ContainsSubstring("nowhere.safetensors"));
  CHECK_FALSE(fs::exists(folder.path() / "result.json"));

  run::Job wrong = job(folder, "bbbb");
  wrong.settings["quant.calibration.images"] = 100000;
  REQUIRE(worker.send({{wrong}, 0}));
  CHECK(events_of_job(worker).back().at("class") == "config");

  REQUIRE(worker.send({{job(folder, "cccc")}, 0}));
  CHECK(events_of_job(worker).back().at("event") == "done");
}

TEST_CASE("jobs of one assignment share an evaluation, and each ends for itself") {
  const TemporaryFolder alone;
  run::WorkerProcess worker(WORKER_PROGRAM, 1);
  REQUIRE(worker.send({{job(alone, "aaaa")}, 0}));
  REQUIRE(events_of_job(worker).back().at("event") == "done");

  const TemporaryFolder folders[4];
  std::vector<run::Job> jobs = {job(folders[0], "aaaa"), job(folders[1], "bbbb"),
                                job(folders[2], "cccc", "nowhere.safetensors"),
                                job(folders[3], "dddd")};
  json& bits = jobs[1].settings["quant.weight.bits"] = json::array();
  for (int layer = 0; layer < 20; ++layer) bits.push_back(layer < 18 ? 8 : 4);
  jobs[3].settings["data.test_images"] = 100000;
  REQUIRE(worker.send({jobs, std::int64_t{1} << 30}));
  std::map<std::string, std::string> ends;
  json shared;
  for (const json& event : events_of_job(worker, 4)) {
    const std::string kind = event.at("event");
    if (kind == "shared") shared = event;
    if (kind == "done") ends[event.at("key")] = "done";
    if (kind == "failed") ends[event.at("key")] = event.at("class");
  }
  CHECK(ends == std::map<std::string, std::string>{
                    {"aaaa", "done"}, {"bbbb", "done"}, {"cccc", "data"}, {"dddd", "config"}});
  CHECK(shared.at("trials") == 2);
  CHECK(shared.at("evaluations") == shared.at("distinct_nodes"));
  CHECK(shared.at("distinct_nodes") < shared.at("nodes_alone"));
  json together = read_json(folders[0].path() / "result.json");
  json single = read_json(alone.path() / "result.json");
  CHECK(together.at("bitmaps") == single.at("bitmaps"));
  CHECK(together.at("layers") == single.at("layers"));
  CHECK(together.at("metrics").at("loss") == single.at("metrics").at("loss"));
  CHECK(together.at("fingerprint") == single.at("fingerprint"));
  CHECK(read_json(folders[1].path() / "result.json").at("bitmaps") != single.at("bitmaps"));
}

TEST_CASE("a folder that another process works in is left alone") {
  const TemporaryFolder folder;
  const auto lock = FileLock::try_acquire(folder.path() / "lock");
  REQUIRE(lock.has_value());
  run::WorkerProcess worker(WORKER_PROGRAM, 1);
  REQUIRE(worker.send({{job(folder)}, 0}));
  const json failed = events_of_job(worker).back();
  CHECK_THAT(failed.at("message").get<std::string>(), ContainsSubstring("another process"));
  CHECK_FALSE(fs::exists(folder.path() / "result.json"));
}

TEST_CASE("running out of memory is a class of its own") {
  const Fault fault("oom@evaluate:1");
  const TemporaryFolder folder;
  run::WorkerProcess worker(WORKER_PROGRAM, 1);
  REQUIRE(worker.send({{job(folder)}, 0}));
  CHECK(events_of_job(worker).back().at("class") == "oom_host");
}

TEST_CASE("a worker that crashes half-way leaves no result") {
  const Fault fault("crash@calibrate:8");
  const TemporaryFolder folder;
  run::WorkerProcess worker(WORKER_PROGRAM, 1);
  REQUIRE(worker.send({{job(folder)}, 0}));
  CHECK(events_of_job(worker).back().at("event") != "done");
  CHECK(worker.reap().signal == SIGSEGV);
  CHECK_FALSE(fs::exists(folder.path() / "result.json"));
}

TEST_CASE("a worker dies with the process that started it") {
  const Fault fault("hang@calibrate:8");
  const TemporaryFolder folder;
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    run::WorkerProcess worker(WORKER_PROGRAM, 1);
    worker.send({{job(folder)}, 0});
    pollfd ready{worker.event_descriptor(), POLLIN, 0};
    ::poll(&ready, 1, 60000);  // it has come as far as to say that it is there
    const pid_t pid = worker.pid();
    if (::write(ends[1], &pid, sizeof(pid)) == sizeof(pid)) ::raise(SIGKILL);
    std::_Exit(1);
  }
  pid_t worker = 0;
  REQUIRE(::read(ends[0], &worker, sizeof(worker)) == sizeof(worker));
  int status = 0;
  REQUIRE(::waitpid(parent, &status, 0) == parent);
  REQUIRE(WIFSIGNALED(status));
  for (int i = 0; i < 100 && !is_gone(worker); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  CHECK(is_gone(worker));
}
