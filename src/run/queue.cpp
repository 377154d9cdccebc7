#include "run/queue.h"

#include <algorithm>
#include <iterator>

namespace bitsweep::run {

TaskQueue::TaskQueue(const std::vector<Task>& tasks) : tasks_(tasks) {
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    waiting_.push_back({i});
    unfinished_.insert(tasks[i].key);
  }
}

void TaskQueue::push_front(std::size_t task) { waiting_.push_front({task}); }

void TaskQueue::push_front_alone(std::size_t task) {
  alone_.insert(task);
  push_front(task);
}

void TaskQueue::push_back(std::size_t task, TimePoint not_before) {
  waiting_.push_back({task, not_before});
}

void TaskQueue::finish(std::size_t task) { unfinished_.erase(tasks_[task].key); }

bool TaskQueue::is_ready(const Waiting& item, TimePoint now) const {
  return item.not_before <= now && !unfinished_.contains(tasks_[item.task].waits_for);
}

std::vector<std::size_t> TaskQueue::take_group(TimePoint now, std::size_t workers) {
  const auto first = take(now);
  if (!first) return {};
  std::vector<std::size_t> out = {*first};
  const std::string& evaluation = tasks_[*first].evaluation;
  if (evaluation.empty() || alone_.contains(*first)) return out;
  std::unordered_set<std::string> evaluations = {evaluation};
  std::size_t together = 1;
  for (const Waiting& item : waiting_) {
    if (!is_ready(item, now) || alone_.contains(item.task)) continue;
    evaluations.insert(tasks_[item.task].evaluation);
    if (tasks_[item.task].evaluation == evaluation) ++together;
  }
  const auto divide_up = [](std::size_t a, std::size_t b) { return (a + b - 1) / b; };
  const std::size_t parts = divide_up(workers, evaluations.size());
  const std::size_t size = std::min(divide_up(together, parts), kMostTogether);
  for (auto it = waiting_.begin(); it != waiting_.end() && out.size() < size;) {
    const bool joins = is_ready(*it, now) && !alone_.contains(it->task) &&
                       tasks_[it->task].evaluation == evaluation;
    if (joins) out.push_back(it->task);
    it = joins ? waiting_.erase(it) : std::next(it);
  }
  return out;
}

std::optional<std::size_t> TaskQueue::take(TimePoint now) {
  const auto it = std::find_if(waiting_.begin(), waiting_.end(),
                               [&](const Waiting& item) { return is_ready(item, now); });
  if (it == waiting_.end()) return std::nullopt;
  const std::size_t task = it->task;
  waiting_.erase(it);
  return task;
}

}  // namespace bitsweep::run
