// Many processes on one database, and processes that are killed in the middle.
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <cstdlib>
#include <functional>

#include "fixture.h"
#include "store/care.h"
#include "store/database.h"
#include "store/tables.h"

namespace bitsweep::store {
namespace {

// Runs `body` in a child process, which exits 0, or 1 where it throws.
pid_t in_child(const std::function<void()>& body) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  try {
    body();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "child: %s\n", error.what());
    ::_exit(1);
  }
  ::_exit(0);
}

int wait_for(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

TEST_CASE("sixteen writers and a reader never see a locked database") {
  const TemporaryFolder folder;
  const auto path = folder / "results.db";
  constexpr int kWriters = 16;
  constexpr int kAttempts = 5;
  // The database does not exist yet: making it is part of the race.
  std::vector<pid_t> writers;
  for (int i = 0; i < kWriters; ++i) {
    writers.push_back(in_child([&, i] {
      auto store = Store::open(path, Access::write);
      store.put_sweep(make_sweep(), make_trials(kWriters));
      for (int n = 0; n < kAttempts; ++n) run_ok(store, make_trial(i).key, 0.5);
    }));
  }
  const pid_t reader = in_child([&] {
    for (int n = 0; n < 200; ++n) {
      if (const auto store = Store::open_if_exists(path)) {
        for (const auto& row : store->trial_rows()) {
          // Finals and status come in one transaction.
          if (row.at("status") == "ok" && row.at("top1") != 0.5) throw StoreError("half a result");
        }
      }
      ::usleep(2000);
    }
  });
  for (const pid_t writer : writers) CHECK(wait_for(writer) == 0);
  CHECK(wait_for(reader) == 0);
  const auto store = Store::open(path, Access::read);
  const auto rows = store.trial_rows();
  REQUIRE(rows.size() == kWriters);
  for (const auto& row : rows) CHECK(row.at("attempt") == kAttempts);
  CHECK(verify(store).empty());
}

TEST_CASE("of two processes that begin one trial, one gets it") {
  const TemporaryFolder folder;
  const auto path = folder / "results.db";
  auto store = Store::open(path, Access::write);
  store.put_sweep(make_sweep(), make_trials(1));
  std::vector<pid_t> children;
  for (int i = 0; i < 8; ++i) {
    children.push_back(in_child([&] {
      auto own = Store::open(path, Access::write);
      const auto attempt = own.begin_attempt(make_trial(0).key, {"cpu", "run"});
      ::usleep(200'000);  // until all have tried
      if (!attempt) ::_exit(2);
      write_result(*attempt, 0.5);
      own.finish_attempt(*attempt);
    }));
  }
  int winners = 0;
  for (const pid_t child : children) {
    const int status = wait_for(child);
    REQUIRE(WIFEXITED(status));
    REQUIRE(WEXITSTATUS(status) != 1);
    winners += WEXITSTATUS(status) == 0 ? 1 : 0;
  }
  CHECK(winners == 1);
  CHECK(store.attempts(make_trial(0).key).size() == 1);
}

TEST_CASE("a process killed inside a transaction leaves the rows as they were before it") {
  const TemporaryFolder folder;
  const auto path = folder / "results.db";
  auto store = Store::open(path, Access::write);
  store.put_sweep(make_sweep(), make_trials(2));
  run_ok(store, make_trial(0).key, 0.5);
  const std::string digest = store.content_digest();

  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = in_child([&] {
    Database own(path, Access::write);
    own.write([&] {
      AttemptRecord attempt;
      attempt.key = make_trial(1).key;
      attempt.number = 1;
      attempt.finals = {{"top1", 0.1}};
      put_attempt(own.connection(), attempt);
      own.connection().exec("DELETE FROM attempts WHERE number = 1 AND status = 'ok'");
      if (::write(ready[1], "x", 1) != 1) ::_exit(1);
      while (true) ::pause();
    });
  });
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  CHECK(store.content_digest() == digest);  // readers go on meanwhile
  ::kill(child, SIGKILL);
  CHECK(WTERMSIG(wait_for(child)) == SIGKILL);
  ::close(ready[0]);
  ::close(ready[1]);

  CHECK(store.content_digest() == digest);
  run_ok(store, make_trial(1).key, 0.75);  // the dead process's lock is gone
  CHECK(Store::open(path, Access::read).trial_rows().at(1).at("top1") == 0.75);
}

TEST_CASE("a supervisor killed in mid-trial leaves an attempt that the next one resolves") {
  const TemporaryFolder folder;
  const auto path = folder / "results.db";
  auto store = Store::open(path, Access::write);
  store.put_sweep(make_sweep(), make_trials(1));
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = in_child([&] {
    auto own = Store::open(path, Access::write);
    const auto attempt = own.begin_attempt(make_trial(0).key, {"cpu", "run"});
    if (::write(ready[1], "x", 1) != 1) ::_exit(1);
    while (attempt) ::pause();
  });
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  CHECK(store.reconcile().running.size() == 1);
  ::kill(child, SIGKILL);
  wait_for(child);
  ::close(ready[0]);
  ::close(ready[1]);
  CHECK(store.reconcile().resolved.size() == 1);
  CHECK(store.trial_rows().at(0).at("status") == "preempted");
  run_ok(store, make_trial(0).key, 0.5);
  CHECK(store.trial_rows().at(0).at("attempt") == 2);
}

}  // namespace
}  // namespace bitsweep::store
