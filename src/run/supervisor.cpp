#include "run/supervisor.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <span>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "run/queue.h"
#include "run/worker_process.h"
#include "store/checkpoints.h"

namespace bitsweep::run {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kGraceAfterSignal = std::chrono::seconds(10);
constexpr auto kGraceForCheckpoint = std::chrono::seconds(30);  // an evaluation may come first
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
  double fraction = 0;
  std::optional<double> head_start{};  // the fraction that a training resumed with
  std::vector<std::string> now{};
};

struct SlotState {
  Slot slot;
  std::unique_ptr<WorkerProcess> worker{};
  // Of the worker's assignment: the trials that are not over, and how many they were.
  std::vector<Running> running{};
  std::size_t assigned = 0;
  std::optional<Clock::time_point> deadline{};
  bool timed_out = false;
  std::string log_tail{};
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
         failure_class == "oom_cuda" || failure_class == "preempted";
}

bool is_training(const Task& task) { return task.settings.value("kind", "") == "train"; }

class Supervision {
 public:
  Supervision(const std::vector<Task>& tasks, const SupervisorOptions& options, store::Store& store,
              Progress& progress)
      : tasks_(tasks), options_(options), store_(store), progress_(progress), queue_(tasks) {
    for (const Slot& slot : options.slots) slots_.push_back({slot});
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
                                           [](const SlotState& s) { return !s.running.empty(); });
      if (!any_running && (stopping() || queue_.empty())) break;
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
    const bool checkpoints = std::any_of(slots_.begin(), slots_.end(), [&](const SlotState& slot) {
      return !slot.running.empty() && is_training(tasks_[slot.running.front().task]);
    });
    stop_deadline_ = Clock::now() + (checkpoints ? kGraceForCheckpoint : kGraceAfterSignal);
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
      while (slot.running.empty()) {
        const std::vector<std::size_t> next = take_next();
        if (next.empty()) break;
        start(slot, next);
      }
    }
  }

  std::vector<std::size_t> take_next() {
    if (options_.share) return queue_.take_group(Clock::now(), slots_.size());
    const auto next = queue_.take(Clock::now());
    return next ? std::vector<std::size_t>{*next} : std::vector<std::size_t>{};
  }

  void start(SlotState& slot, const std::vector<std::size_t>& tasks) {
    Assignment assignment;
    assignment.cache_bytes = options_.cache_bytes;
    double timeout_s = 0;
    bool is_limited = true;
    for (const std::size_t index : tasks) {
      auto job = begin(slot, index);
      if (!job) continue;
      assignment.jobs.push_back(std::move(*job));
      timeout_s += tasks_[index].timeout_s;
      is_limited = is_limited && tasks_[index].timeout_s > 0;
    }
    if (assignment.jobs.empty()) return;
    slot.assigned = assignment.jobs.size();
    slot.timed_out = false;
    slot.log_tail.clear();
    slot.deadline.reset();
    if (is_limited) {
      slot.deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                         std::chrono::duration<double>(timeout_s));
    }
    if (!slot.worker) {
      slot.worker = std::make_unique<WorkerProcess>(options_.worker_program, slot.slot.threads);
    }
    slot.worker->send(assignment);  // a failure shows as end of file
  }

  // Begins an attempt at the task and counts it as running on the slot; nothing where it is not
  // ours to run.
  std::optional<Job> begin(SlotState& slot, std::size_t index) {
    const Task& task = tasks_[index];
    nlohmann::json paths = task.paths;
    if (!task.waits_for.empty()) {
      const auto weights = store_.artifact(task.waits_for, "weights");
      if (!weights) {
        skip(index);
        return std::nullopt;
      }
      for (const std::string& key : task.takes_weights) paths[key] = weights->string();
    }
    auto attempt = store_.begin_attempt(
        task.key, {slot.slot.device, options_.command, options_.environment, task.successes_seen});
    if (!attempt) {  // another supervisor is at it, or is done with it
      if (successes(task.key) > task.successes_seen) {
        ++summary_.cached;
        queue_.finish(index);
        progress_.line(fmt::format("cached  {} (another run finished it)", task.name));
        return std::nullopt;
      }
      store_.reconcile();  // where that supervisor was killed, its trial is free now
      queue_.push_back(index, Clock::now() + kElsewherePoll);
      return std::nullopt;
    }
    Job job;
    job.key = task.key;
    job.settings = task.settings;
    job.paths = std::move(paths);
    job.attempt_folder = attempt->folder.string();
    job.device = slot.slot.device;
    job.threads = slot.slot.threads;
    job.stop_after_epochs = task.stop_after_epochs;
    if (task.resume) {
      for (const auto& checkpoint : store::resumable_checkpoints(store_.runs_folder(), task.key)) {
        job.resume.push_back(std::filesystem::absolute(checkpoint.path).string());
      }
    }
    std::ofstream events(attempt->folder / "events.jsonl", std::ios::app);
    slot.running.push_back({index, std::move(*attempt), std::move(events), Clock::now()});
    return job;
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
      slot.log_tail += log;
      if (slot.log_tail.size() > kLogTail) {
        slot.log_tail.erase(0, slot.log_tail.size() - kLogTail);
      }
    }
    for (const auto& event : events) handle(slot, event);
    if (ended) worker_ended(slot);
  }

  void handle(SlotState& slot, nlohmann::json event) {
    const auto& name = event.at("event");
    const std::string kind = name.is_string() ? name.get<std::string>() : "";
    if (kind == "shared") return add_shared(event);
    // No trial: "ready", "bye", or late words of one that was given up.
    const auto found = find_running(slot, event);
    if (found == slot.running.end()) return;
    Running& running = *found;
    const bool is_series = kind == "metric" || kind == "metrics";
    if (is_series) event["wall_s"] = std::round(1000 * seconds_since(running.start)) / 1000;
    running.events << event.dump() << '\n' << std::flush;
    if (kind == "progress") {
      running.fraction = fraction_of(event);
      if (event.contains("fraction") && !running.head_start) running.head_start = running.fraction;
      running.now = describe_progress(event);
    } else if (is_series) {
      store_.add_metrics(running.attempt, store::points_of_event(event));
    } else if (kind == "done") {
      succeed(take(slot, found), event);
    } else if (kind == "failed") {
      fail(slot, take(slot, found), event.value("class", std::string("crash")),
           event.value("message", std::string("the worker gave no reason")));
    }
  }

  // The trial that an event is of; a trial alone need not be named.
  std::vector<Running>::iterator find_running(SlotState& slot, const nlohmann::json& event) const {
    const auto named = event.find("key");
    if (named == event.end()) {
      return slot.assigned == 1 ? slot.running.begin() : slot.running.end();
    }
    return std::ranges::find_if(
        slot.running, [&](const Running& running) { return *named == tasks_[running.task].key; });
  }

  void add_shared(const nlohmann::json& event) {
    SharedSummary& shared = summary_.shared;
    shared.trials += event.value("trials", std::int64_t{0});
    shared.nodes_alone += event.value("nodes_alone", std::int64_t{0});
    shared.nodes_computed += event.value("evaluations", std::int64_t{0});
    shared.peak_bytes = std::max(shared.peak_bytes, event.value("peak_bytes", std::int64_t{0}));
    ++shared.evaluations;
  }

  std::int64_t successes(const std::string& key) const {
    return store_.state_of(std::span(&key, 1)).front().successes;
  }

  double seconds_since(Clock::time_point start) const {
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

  std::string counter() const {
    const auto total = static_cast<int>(tasks_.size());
    return fmt::format("[{:>{}}/{}]", summary_.ok + summary_.failed + summary_.cached,
                       std::to_string(total).size(), total);
  }

  Running take(SlotState& slot, std::vector<Running>::iterator which) {
    Running running = std::move(*which);
    slot.running.erase(which);
    head_start_ += running.head_start.value_or(0);
    return running;
  }

  // Its weights would be those of a trial that has not succeeded.
  void skip(std::size_t index) {
    const Task& task = tasks_[index];
    queue_.finish(index);
    ++summary_.skipped;
    const store::TrialState state = store_.state_of(std::span(&task.waits_for, 1)).front();
    std::string why = "was not run";
    if (state.status == store::Status::ok) {
      why = "leaves no weights";
    } else if (!state.failure_class.empty()) {
      why = fmt::format("failed: {}: {}", state.failure_class, state.message);
    }
    progress_.line(fmt::format("skipped {}  starts from the weights of {}, which {}", task.name,
                               task.waits_for_name, why));
  }

  void succeed(const Running& running, const nlohmann::json& event) {
    const Task& task = tasks_[running.task];
    queue_.finish(running.task);
    try {
      store_.finish_attempt(running.attempt);
    } catch (const DataError& error) {  // the worker said done, its folder says otherwise
      store_.fail_attempt(running.attempt, {"crash", error.what(), {}, {}, {}});
      report_failure(running.task, "crash", error.what());
      return;
    }
    ++summary_.ok;
    store::remove_other_checkpoints(store_.runs_folder(), task.key, running.attempt.number);
    std::string figures;
    const auto metrics = event.value("metrics", nlohmann::json::object());
    if (metrics.contains("top1") && metrics["top1"].is_number()) {
      figures = fmt::format("  top1 {:.2f} %", 100 * metrics["top1"].get<double>());
    }
    const double seconds = event.value("seconds", seconds_since(running.start));
    progress_.line(fmt::format("{} {} {}{}  {}", counter(), progress_.mark(true), task.name,
                               figures, format_duration(seconds)));
  }

  void report_failure(std::size_t index, const std::string& failure_class,
                      const std::string& message) {
    const Task& task = tasks_[index];
    queue_.finish(index);
    ++summary_.failed;
    summary_.failures.push_back(fmt::format("{}: {}: {}", task.name, failure_class, message));
    progress_.line(fmt::format("{} {} {}  {}: {}", counter(), progress_.mark(false), task.name,
                               failure_class, message));
  }

  void fail(const SlotState& slot, const Running& running, const std::string& failure_class,
            const std::string& message, const ExitStatus& status = {}) {
    const std::size_t index = running.task;
    const Task& task = tasks_[index];
    store::Failure failure{failure_class, message, std::nullopt, std::nullopt, nullptr};
    if (status.signal != 0) failure.signal = status.signal;
    if (status.code != 0) failure.exit_code = status.code;
    store_.fail_attempt(running.attempt, failure);
    if (failure_class == "preempted" && stopping()) {
      const auto checkpoints = store::resumable_checkpoints(store_.runs_folder(), task.key);
      if (task.resume && !checkpoints.empty()) ++summary_.resumable;
      progress_.line(fmt::format("stopped {}  {}", task.name, message));
      return;
    }
    const bool says_nothing = worth_retrying(failure_class) || failure_class == "timeout";
    if (slot.assigned > 1 && says_nothing && !stopping()) {
      progress_.line(fmt::format("retry   {}  {}: {} (it shared an evaluation; now alone)",
                                 task.name, failure_class, message));
      queue_.push_front_alone(index);
      return;
    }
    const int failures = ++failed_attempts_[index];
    if (worth_retrying(failure_class) && failures <= task.retries && !stopping()) {
      progress_.line(fmt::format("retry   {}  {}: {} (attempt {} of {})", task.name, failure_class,
                                 message, failures + 1, task.retries + 1));
      queue_.push_front(index);
      return;
    }
    report_failure(index, failure_class, message);
  }

  // End of file on the events: the process is gone or going.
  void worker_ended(SlotState& slot) {
    slot.worker->kill();
    const ExitStatus status = slot.worker->reap();
    const std::string late_log = slot.worker->read_log();
    slot.worker.reset();
    std::string last_words(trim(slot.log_tail + late_log));
    const auto last_line = last_words.find_last_of('\n');
    if (last_line != std::string::npos) last_words = last_words.substr(last_line + 1);
    const std::string hint =
        last_words.empty() ? "" : fmt::format("; its last words: {}", last_words);
    std::string failure_class = "crash";
    std::string message = fmt::format("the worker exited with {}{}", status.code, hint);
    if (slot.timed_out) {
      failure_class = "timeout";
    } else if (summary_.signal != 0) {
      failure_class = "preempted";
      message = fmt::format("stopped by {}", signal_name(summary_.signal));
    } else if (status.signal == SIGKILL && oom_kill_count() > oom_kills_) {
      oom_kills_ = oom_kill_count();
      failure_class = "oom_host";
      message = "the system killed the worker for want of memory";
    } else if (status.signal != 0) {
      failure_class = fmt::format("crash({})", signal_name(status.signal));
      message = fmt::format("the worker was ended by {}{}", signal_name(status.signal), hint);
    }
    while (!slot.running.empty()) {  // the last first: those to be tried again keep their order
      const Running running = take(slot, std::prev(slot.running.end()));
      if (slot.timed_out) message = timeout_message(slot, tasks_[running.task]);
      fail(slot, running, failure_class, message, status);
    }
  }

  static std::string timeout_message(const SlotState& slot, const Task& task) {
    const std::string own =
        fmt::format("longer than its {} (budget.trial_timeout)", format_duration(task.timeout_s));
    if (slot.assigned == 1) return own;
    return fmt::format("{} trials in one evaluation took longer than their limits together",
                       slot.assigned);
  }

  void check_deadlines() {
    const auto now = Clock::now();
    for (SlotState& slot : slots_) {
      if (slot.running.empty() || !slot.deadline || now < *slot.deadline) continue;
      if (slot.timed_out) continue;
      slot.timed_out = true;
      slot.worker->kill();
    }
  }

  void show() {
    ProgressState state;
    state.total = static_cast<int>(tasks_.size());
    state.ok = summary_.ok + summary_.cached;
    state.failed = summary_.failed;
    state.head_start = head_start_;
    for (const SlotState& slot : slots_) {
      for (const Running& running : slot.running) {
        state.fraction_running += running.fraction;
        state.head_start += running.head_start.value_or(0);
        if (state.now.empty()) state.now = running.now;
      }
      if (slot.running.size() > 1) {
        state.now.push_back(fmt::format("{} trials together", slot.running.size()));
      }
    }
    progress_.update(state);
  }

  const std::vector<Task>& tasks_;
  const SupervisorOptions& options_;
  store::Store& store_;
  Progress& progress_;
  TaskQueue queue_;
  std::vector<SlotState> slots_;
  double head_start_ = 0;  // of the trials that are over
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
