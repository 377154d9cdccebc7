#include "run/queue.h"

#include <catch2/catch_test_macros.hpp>
#include <chrono>

using namespace bitsweep::run;

namespace {

Task task(const char* key, const char* waits_for = "") {
  Task out;
  out.key = key;
  out.waits_for = waits_for;
  return out;
}

}  // namespace

TEST_CASE("tasks are taken in order, each after the one whose weights it takes", "[run]") {
  const std::vector<Task> tasks = {task("b", "a"), task("c"), task("a"), task("d", "elsewhere")};
  TaskQueue queue(tasks);
  const auto now = std::chrono::steady_clock::now();
  CHECK(queue.take(now) == 1);
  CHECK(queue.take(now) == 2);
  CHECK(queue.take(now) == 3);  // what is no task of ours is not waited for
  CHECK_FALSE(queue.take(now).has_value());
  CHECK_FALSE(queue.empty());
  queue.finish(2);
  CHECK(queue.take(now) == 0);
  CHECK(queue.empty());
}

TEST_CASE("what one evaluation serves is taken together, even parts for several workers", "[run]") {
  std::vector<Task> tasks;
  for (int i = 0; i < 10; ++i) tasks.push_back(task(std::to_string(i).c_str()));
  for (const int i : {0, 2, 3, 5, 7}) tasks[static_cast<std::size_t>(i)].evaluation = "a";
  const auto now = std::chrono::steady_clock::now();
  using Tasks = std::vector<std::size_t>;
  SECTION("one worker") {
    TaskQueue queue(tasks);
    CHECK(queue.take_group(now, 1) == Tasks{0, 2, 3, 5, 7});
    CHECK(queue.take_group(now, 1) == Tasks{1});
  }
  SECTION("two workers and other work beside it") {
    TaskQueue queue(tasks);
    CHECK(queue.take_group(now, 2) == Tasks{0, 2, 3, 5, 7});
  }
  SECTION("two workers and nothing else") {
    std::vector<Task> same(tasks.begin(), tasks.begin() + 5);
    for (Task& one : same) one.evaluation = "a";
    TaskQueue queue(same);
    CHECK(queue.take_group(now, 2) == Tasks{0, 1, 2});
    CHECK(queue.take_group(now, 2) == Tasks{3});
    CHECK(queue.take_group(now, 2) == Tasks{4});
    CHECK(queue.take_group(now, 2).empty());
  }
  SECTION("what is not ready or is to run alone stays out") {
    tasks[2].waits_for = "9";
    TaskQueue queue(tasks);
    REQUIRE(queue.take(now) == 0);
    queue.push_front_alone(0);
    CHECK(queue.take_group(now, 1) == Tasks{0});
    CHECK(queue.take_group(now, 1) == Tasks{1});
    CHECK(queue.take_group(now, 1) == Tasks{3, 5, 7});
  }
}

TEST_CASE("so many tasks are taken together at most", "[run]") {
  std::vector<Task> tasks(100);
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    tasks[i].key = std::to_string(i);
    tasks[i].evaluation = "a";
  }
  TaskQueue queue(tasks);
  CHECK(queue.take_group(std::chrono::steady_clock::now(), 1).size() == TaskQueue::kMostTogether);
}

TEST_CASE("trials of one network, images and batches are for one evaluation", "[run]") {
  Task a;
  a.settings = {{"kind", "ptq"},
                {"model.name", "resnet20"},
                {"data.name", "cifar10"},
                {"eval.batch_size", 8},
                {"quant.weight.bits", 4}};
  a.paths = {{"model.weights", "/w"}};
  CHECK_FALSE(evaluation_of(a).empty());
  const auto with = [&](const char* key, const nlohmann::json& value) {
    Task b = a;
    b.settings[key] = value;
    return evaluation_of(b);
  };
  CHECK(with("quant.weight.bits", 8) == evaluation_of(a));
  CHECK(with("model.name", "resnet32") != evaluation_of(a));
  CHECK(with("data.test_images", 10) != evaluation_of(a));
  CHECK(with("eval.batch_size", 9) != evaluation_of(a));
  CHECK(with("kind", "train").empty());
  Task other = a;
  other.paths["model.weights"] = "/v";
  CHECK(evaluation_of(other) != evaluation_of(a));
}

TEST_CASE("a task put back waits for its time, one put in front is next", "[run]") {
  const std::vector<Task> tasks = {task("a"), task("b")};
  TaskQueue queue(tasks);
  const auto now = std::chrono::steady_clock::now();
  REQUIRE(queue.take(now) == 0);
  queue.push_back(0, now + std::chrono::seconds(1));
  REQUIRE(queue.take(now) == 1);
  queue.push_front(1);
  CHECK(queue.take(now) == 1);
  CHECK_FALSE(queue.take(now).has_value());
  CHECK(queue.take(now + std::chrono::seconds(2)) == 0);
}
