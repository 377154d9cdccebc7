#include "run/supervisor.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <deque>
#include <fstream>
#include <memory>
#include <optional>
#include <span>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "run/worker_process.h"

namespace bitsweep::run {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kGraceAfterSignal = std::chrono::seconds(10);
constexpr auto kElsewherePoll = std::chrono::milliseconds(500);
constexpr std::size_t kLogTail = 4096;  // characters of a dead worker's last words

// Set by the signal handler, read by the loop.
volatile std::sig_atomic_t g_signal = 0;
volatile std::sig_atomic_t g_signal_count = 0;

void on_signal(int signal) {
  g_signal = signal;
  g_signal_count = g_signal_count + 1;
}

// SIGINT and SIGTERM become flags while this lives; the handlers before it come back after.
class SignalScope {
 public:
  SignalScope() {
    g_signal = 0;
    g_signal_count = 0;
    struct sigaction action {};
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    ::sigaction(SIGINT, &action, &old_int_);
    ::sigaction(SIGTERM, &action, &old_term_);
  }
  ~SignalScope() {
    ::sigaction(SIGINT, &old_int_, nullptr);
    ::sigaction(SIGTERM, &old_term_, nullptr);
  }
  SignalScope(const SignalScope&) = delete;
  SignalScope& operator=(const SignalScope&) = delete;

 private:
  struct sigaction old_int_ {};
  struct sigaction old_term_ {};
};

struct Running {
  std::size_t task = 0;
  store::Attempt attempt;
  std::ofstream events;  // events.jsonl of the attempt's folder
  Clock::time_point start;
  std::optional<Clock::time_point> deadline;
  bool timed_out = false;
  double fraction = 0;
  std::string phase{};
  std::string log_tail{};
};

struct SlotState {
  Slot slot;
  std::unique_ptr<WorkerProcess> worker;
  std::optional<Running> running;
};

// A task that waits for its turn, or for another supervisor to be done with it.
struct Waiting {
  std::size_t task = 0;
  Clock::time_point not_before{};
};

// The kernel's count of processes it killed for memory in this control group; a rise tells an
// out-of-memory kill from somebody's kill -9.
std::int64_t oom_kill_count() {
  for (const char* path : {"/sys/fs/cgroup/memory.events", "/proc/vmstat"}) {
    std::ifstream file(path);
    std::string name;
    std::int64_t count = 0;
    while (file >> name >> count) {
      if (name == "oom_kill") return count;
    }
  }
  return 0;
}

std::string signal_name(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return name != nullptr ? fmt::format("SIG{}", name) : fmt::format("signal {}", signal);
}

bool worth_retrying(const std::string& failure_class) {
  return failure_class.rfind("crash", 0) == 0 || failure_class == "oom_host" ||
         failure_class == "oom_cuda";
}

class Supervision {
 public:
  Supervision(const std::vector<Task>& tasks, const SupervisorOptions& options, store::Store& store,
              Progress& progress)
      : tasks_(tasks), options_(options), store_(store), progress_(progress) {
    for (std::size_t i = 0; i < tasks.size(); ++i) waiting_.push_back({i});
    for (const Slot& slot : options.slots) slots_.push_back({slot, nullptr, std::nullopt});
    failed_attempts_.resize(tasks.size());
  }

  RunSummary run() {
    SignalScope signals;
    oom_kills_ = oom_kill_count();
    while (true) {
      if (g_signal != 0 && summary_.signal == 0) begin_stop();
      if (summary_.signal != 0 && (g_signal_count > 1 || Clock::now() > stop_deadline_)) kill_all();
      if (!stopping()) start_waiting();
      const bool any_running = std::any_of(slots_.begin(), slots_.end(),
                                           [](const SlotState& s) { return s.running.has_value(); });
      if (!any_running && (stopping() || waiting_.empty())) break;
      wait_for_events();
      for (SlotState& slot : slots_) {
        if (slot.worker) pump(slot);
      }
      check_deadlines();
      show();
    }
    progress_.clear();
    return summary_;
  }

 private:
  bool stopping() const {
    return summary_.signal != 0 || (options_.fail_fast && summary_.failed > 0);
  }

  void begin_stop() {
    summary_.signal = g_signal;
    stop_deadline_ = Clock::now() + kGraceAfterSignal;
    progress_.line(fmt::format("{}: stopping; again to stop at once", signal_name(g_signal)));
    for (SlotState& slot : slots_) {
      if (slot.worker) slot.worker->terminate();
    }
  }

  void kill_all() {
    for (SlotState& slot : slots_) {
      if (slot.worker) slot.worker->kill();
    }
  }

  void start_waiting() {
    for (SlotState& slot : slots_) {
      while (!slot.running && !waiting_.empty()) {
        const auto now = Clock::now();
        const auto it = std::find_if(waiting_.begin(), waiting_.end(),
                                     [&](const Waiting& w) { return w.not_before <= now; });
        if (it == waiting_.end()) break;
        Waiting next = *it;
        waiting_.erase(it);
        start(slot, next);
      }
    }
  }

  void start(SlotState& slot, Waiting next) {
    const Task& task = tasks_[next.task];
    auto attempt = store_.begin_attempt(
        task.key, {slot.slot.device, options_.command, options_.environment, task.successes_seen});
    if (!attempt) {  // another supervisor is at it, or is done with it
      if (successes(task.key) > task.successes_seen) {
        ++summary_.cached;
        progress_.line(fmt::format("cached  {} (another run finished it)", task.name));
        return;
      }
      store_.reconcile();  // where that supervisor was killed, its trial is free now
      next.not_before = Clock::now() + kElsewherePoll;
      waiting_.push_back(next);
      return;
    }
    if (!slot.worker) {
      slot.worker = std::make_unique<WorkerProcess>(options_.worker_program, slot.slot.threads);
    }
    Job job;
    job.key = task.key;
    job.settings = task.settings;
    job.paths = task.paths;
    job.attempt_folder = attempt->folder.string();
    job.device = slot.slot.device;
    job.threads = slot.slot.threads;
    std::ofstream events(attempt->folder / "events.jsonl", std::ios::app);
    Running running{next.task, std::move(*attempt), std::move(events), Clock::now(), {}};
    if (task.timeout_s > 0) {
      running.deadline = running.start + std::chrono::duration_cast<Clock::duration>(
                                             std::chrono::duration<double>(task.timeout_s));
    }
    slot.running = std::move(running);
    slot.worker->send(job);  // a failure shows as end of file
  }

  void wait_for_events() {
    std::vector<pollfd> descriptors;
    for (const SlotState& slot : slots_) {
      if (!slot.worker) continue;
      descriptors.push_back({slot.worker->event_descriptor(), POLLIN, 0});
      descriptors.push_back({slot.worker->log_descriptor(), POLLIN, 0});
    }
    ::poll(descriptors.data(), descriptors.size(), 200);
  }

  void pump(SlotState& slot) {
    bool ended = false;
    const auto events = slot.worker->read_events(ended);
    const std::string log = slot.worker->read_log();
    if (!log.empty()) {
      spdlog::debug("worker {}: {}", slot.worker->pid(), log);
      if (slot.running) {
        slot.running->log_tail += log;
        if (slot.running->log_tail.size() > kLogTail) {
          slot.running->log_tail.erase(0, slot.running->log_tail.size() - kLogTail);
        }
      }
    }
    for (const auto& event : events) handle(slot, event);
    if (ended) worker_ended(slot);
  }

  void handle(SlotState& slot, const nlohmann::json& event) {
    const auto& name = event.at("event");
    const std::string kind = name.is_string() ? name.get<std::string>() : "";
    if (!slot.running) return;  // "ready", "bye", or late words of a trial that was given up
    Running& running = *slot.running;
    if (event.value("key", tasks_[running.task].key) != tasks_[running.task].key) return;
    running.events << event.dump() << '\n' << std::flush;
    if (kind == "progress") {
      const double total = event.value("total", 0.0);
      const double share = total > 0 ? event.value("done", 0.0) / total : 0.0;
      running.fraction = std::clamp(event.value("fraction", share), 0.0, 1.0);
      running.phase = fmt::format("{} {}/{} {}", event.value("phase", std::string("running")),
                                  format_count(event.value("done", std::int64_t{0})),
                                  format_count(event.value("total", std::int64_t{0})),
                                  event.value("unit", std::string()));
    } else if (kind == "metric") {
      record_metric(running, event);
    } else if (kind == "done") {
      succeed(slot, event);
    } else if (kind == "failed") {
      fail(slot, event.value("class", std::string("crash")),
           event.value("message", std::string("the worker gave no reason")));
    }
  }

  std::int64_t successes(const std::string& key) const {
    return store_.state_of(std::span(&key, 1)).front().successes;
  }

  void record_metric(const Running& running, const nlohmann::json& event) {
    store::MetricPoint point;
    point.name = event.value("name", std::string());
    if (!event.contains("value") || !event["value"].is_number()) return;
    point.value = event["value"].get<double>();
    if (event.contains("step")) point.step = event["step"].get<std::int64_t>();
    if (event.contains("epoch")) point.epoch = event["epoch"].get<double>();
    point.wall_s = seconds_since(running.start);
    store_.add_metrics(running.attempt, std::span(&point, 1));
  }

  double seconds_since(Clock::time_point start) const {
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

  std::string counter() const {
    const auto total = static_cast<int>(tasks_.size());
    return fmt::format("[{:>{}}/{}]", summary_.ok + summary_.failed + summary_.cached,
                       std::to_string(total).size(), total);
  }

  void succeed(SlotState& slot, const nlohmann::json& event) {
    Running running = std::move(*slot.running);
    slot.running.reset();
    const Task& task = tasks_[running.task];
    try {
      store_.finish_attempt(running.attempt);
    } catch (const DataError& error) {  // the worker said done, its folder says otherwise
      store_.fail_attempt(running.attempt, {"crash", error.what(), {}, {}, {}});
      report_failure(task, "crash", error.what());
      return;
    }
    ++summary_.ok;
    std::string figures;
    const auto metrics = event.value("metrics", nlohmann::json::object());
    if (metrics.contains("top1") && metrics["top1"].is_number()) {
      figures = fmt::format("  top1 {:.2f} %", 100 * metrics["top1"].get<double>());
    }
    progress_.line(fmt::format("{} {} {}{}  {}", counter(), progress_.mark(true), task.name, figures,
                               format_duration(seconds_since(running.start))));
  }

  void report_failure(const Task& task, const std::string& failure_class,
                             const std::string& message) {
    ++summary_.failed;
    summary_.failures.push_back(fmt::format("{}: {}: {}", task.name, failure_class, message));
    progress_.line(fmt::format("{} {} {}  {}: {}", counter(), progress_.mark(false), task.name,
                               failure_class, message));
  }

  void fail(SlotState& slot, const std::string& failure_class, const std::string& message,
            const ExitStatus& status = {}) {
    Running running = std::move(*slot.running);
    slot.running.reset();
    const Task& task = tasks_[running.task];
    const std::size_t index = running.task;
    store::Failure failure{failure_class, message, std::nullopt, std::nullopt, nullptr};
    if (status.signal != 0) failure.signal = status.signal;
    if (status.code != 0) failure.exit_code = status.code;
    store_.fail_attempt(running.attempt, failure);
    if (failure_class == "preempted") return;
    const int failures = ++failed_attempts_[index];
    if (worth_retrying(failure_class) && failures <= task.retries && !stopping()) {
      progress_.line(fmt::format("retry   {}  {}: {} (attempt {} of {})", task.name, failure_class,
                                 message, failures + 1, task.retries + 1));
      waiting_.push_front({index});
      return;
    }
    report_failure(task, failure_class, message);
  }

  // End of file on the events: the process is gone or going.
  void worker_ended(SlotState& slot) {
    slot.worker->kill();
    const ExitStatus status = slot.worker->reap();
    const std::string late_log = slot.worker->read_log();
    slot.worker.reset();
    if (!slot.running) return;
    Running& running = *slot.running;
    std::string last_words(trim(running.log_tail + late_log));
    const auto last_line = last_words.find_last_of('\n');
    if (last_line != std::string::npos) last_words = last_words.substr(last_line + 1);
    const std::string hint = last_words.empty() ? "" : fmt::format("; its last words: {}", last_words);
    if (running.timed_out) {
      fail(slot, "timeout",
           fmt::format("longer than its {} (budget.trial_timeout)",
                       format_duration(tasks_[running.task].timeout_s)),
           status);
    } else if (summary_.signal != 0) {
      fail(slot, "preempted", fmt::format("stopped by {}", signal_name(summary_.signal)), status);
    } else if (status.signal == SIGKILL && oom_kill_count() > oom_kills_) {
      oom_kills_ = oom_kill_count();
      fail(slot, "oom_host", "the system killed the worker for want of memory", status);
    } else if (status.signal != 0) {
      fail(slot, fmt::format("crash({})", signal_name(status.signal)),
           fmt::format("the worker was ended by {}{}", signal_name(status.signal), hint), status);
    } else {
      fail(slot, "crash", fmt::format("the worker exited with {}{}", status.code, hint), status);
    }
  }

  void check_deadlines() {
    const auto now = Clock::now();
    for (SlotState& slot : slots_) {
      if (!slot.running || !slot.running->deadline || now < *slot.running->deadline) continue;
      if (slot.running->timed_out) continue;
      slot.running->timed_out = true;
      slot.worker->kill();
    }
  }

  void show() {
    ProgressState state;
    state.total = static_cast<int>(tasks_.size());
    state.ok = summary_.ok + summary_.cached;
    state.failed = summary_.failed;
    for (const SlotState& slot : slots_) {
      if (!slot.running) continue;
      state.fraction_running += slot.running->fraction;
      if (state.now.empty()) state.now = slot.running->phase;
    }
    progress_.update(state);
  }

  const std::vector<Task>& tasks_;
  const SupervisorOptions& options_;
  store::Store& store_;
  Progress& progress_;
  std::deque<Waiting> waiting_;
  std::vector<SlotState> slots_;
  std::vector<int> failed_attempts_;
  RunSummary summary_;
  Clock::time_point stop_deadline_{};
  std::int64_t oom_kills_ = 0;
};

}  // namespace

RunSummary supervise(const std::vector<Task>& tasks, const SupervisorOptions& options,
                     store::Store& store, Progress& progress) {
  return Supervision(tasks, options, store, progress).run();
}

}  // namespace bitsweep::run
