#!/usr/bin/env python3
"""Sums up a Meson test log (testlog.json): what failed, what was skipped and why, the counts.

A Catch2 test counts by its cases (tests/support/catch_main.cpp writes them), a golden test by its
cases (tests/golden/runner.cpp), any other test as one. Exits 1 if anything failed or nothing ran.
"""

import json
import re
import sys

CATCH = re.compile(r"^tests passed=(\d+) failed=(\d+) skipped=(\d+)$", re.MULTILINE)
GOLDEN = re.compile(r"^golden files=(\d+) cases=(\d+) failed=(\d+) skipped=(\d+)$", re.MULTILINE)
SKIPPED = re.compile(r"^skipped (.+)$", re.MULTILINE)


class Totals:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.golden = None  # files, cases, failed, skipped
        self.failures = []  # names of tests
        self.skips = []  # "test: what, and why"

    def add(self, passed, failed, skipped):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped


def add_test(totals, test):
    name = test["name"].split(" / ")[-1]
    output = test.get("stdout", "") + "\n" + test.get("stderr", "")
    golden, catch = GOLDEN.search(output), CATCH.search(output)
    before = totals.failed
    if golden:
        counts = [int(n) for n in golden.groups()]
        _, cases, failed, skipped = counts
        totals.golden = [a + b for a, b in zip(totals.golden or [0] * 4, counts)]
        totals.add(cases - min(failed, cases) - skipped, failed, skipped)
    elif catch:
        totals.add(*(int(n) for n in catch.groups()))
    elif test["result"] in ("OK", "EXPECTEDFAIL"):
        totals.add(1, 0, 0)
    elif test["result"] == "SKIP":
        totals.add(0, 0, 1)
    totals.skips += [f"{name}: {what}" for what in SKIPPED.findall(output)]
    if test["result"] not in ("OK", "EXPECTEDFAIL", "SKIP"):
        totals.failures.append(f"{name} ({test['result'].lower()})")
        if totals.failed == before:  # a crash or a timeout, after which nothing was counted
            totals.failed += 1


def main(path):
    totals = Totals()
    with open(path, encoding="utf-8") as log:
        for line in log:
            add_test(totals, json.loads(line))
    for heading, lines in (("failed", totals.failures), ("skipped", totals.skips)):
        if lines:
            print(f"{heading}:")
            print("".join(f"  {line}\n" for line in lines), end="")
    print(f"{totals.passed} passed, {totals.failed} failed, {totals.skipped} skipped")
    if totals.golden:
        print("golden files={} cases={} failed={} skipped={}".format(*totals.golden))
    return 0 if totals.passed > 0 and totals.failed == 0 else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except FileNotFoundError:
        sys.exit(f"{sys.argv[1]}: no test ran")
