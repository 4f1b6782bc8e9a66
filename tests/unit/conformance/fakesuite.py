"""Writes a program that behaves like a GoogleTest binary: it passes, fails, dies, hangs on demand."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

_PROGRAM = """#!{python}
import json, os, sys, time

TESTS = {tests!r}


def words(flag):
    return next((w.partition("=")[2] for w in sys.argv if w.startswith(flag)), "")


if "--gtest_list_tests" in sys.argv:
    print("a card was found")
    print("Group.")
    for name in TESTS:
        print("  " + name + "  # GetParam() = 1")
    sys.exit(0)
wanted = words("--gtest_filter").split(":")
out = []
for name, how in TESTS.items():
    if "Group." + name not in wanted:
        continue
    print("[ RUN      ] Group." + name, flush=True)
    if how == "dies":
        print("Memory access fault by GPU node-1", flush=True)
        os.abort()
    while how == "burns":
        pass
    if how == "fails":
        print("suite.cpp:7: Failure", flush=True)
    word = {{"fails": "[  FAILED  ]", "skips": "[  SKIPPED ]"}}.get(how, "[       OK ]")
    print(word + " Group." + name + " (3 ms)", flush=True)
    one = {{"name": name, "status": "RUN", "result": "COMPLETED", "time": "0.003s"}}
    if how == "fails":
        one["failures"] = [{{"failure": "expected 1, was 2", "type": ""}}]
    out.append(one)
target = words("--gtest_output=json")
if words("--gtest_output").startswith("json:"):
    with open(words("--gtest_output")[5:], "w") as stream:
        json.dump({{"testsuites": [{{"name": "Group", "testsuite": out}}]}}, stream)
"""


def write_program(path: Path, tests: dict[str, str]) -> Path:
    """Write the program; `tests` says of each name whether it passes, fails, skips, dies or burns."""
    path.write_text(_PROGRAM.format(python=sys.executable, tests=tests), encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path
