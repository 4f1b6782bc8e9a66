"""A pytest plugin: run the tests that are named on one pipe, tell the outcome on another.

`rocm-patch validate` gives tests to one or more such processes, one at a time. When a test
takes its process down (a GPU fault aborts) or hangs, the runner knows which one it was and
starts a new process for the rest. Orders are lines on the file descriptor --feed-orders, messages are
JSON lines on --feed-fd: `collected` once, `finished` for each test. Without these options the
plugin is idle. It knows pytest only.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

import pytest

#: Text of a failure kept: the assertion and the end of the traceback.
TEXT = 6000
#: Set by conftest: says whether the GPU still works after a failed test.
healthy = [lambda: True]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the two pipes."""
    parser.addoption(
        "--feed-orders", type=int, default=None, help="(for rocm-patch validate) whence tests come"
    )
    parser.addoption("--feed-fd", type=int, default=None, help="(for rocm-patch validate) where messages go")


class Feed:
    """Holds the pipe and the state of the test that runs."""

    def __init__(self, fd: int, orders: int) -> None:
        self.fd = fd
        self.orders = orders
        self.broken: list[str] = []
        self.reports: list[pytest.TestReport] = []

    def tell(self, **message: Any) -> None:
        """Write one message; a pipe takes at most 64 KiB at once, a blocking write waits."""
        data = (json.dumps(message) + "\n").encode()
        while data:
            data = data[os.write(self.fd, data) :]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Replace pytest's loop by the runner's orders."""
        items = {item.nodeid: item for item in session.items}
        self.tell(
            event="collected",
            tests=[
                {"id": name, "marks": sorted({m.name for m in item.iter_markers()})}
                for name, item in items.items()
            ],
            about=getattr(session.config, "about", {}),
            errors=self.broken,
        )
        with os.fdopen(self.orders) as orders:
            for line in orders:
                item = items[line.strip()]
                self.reports = []
                begin = time.monotonic()
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
                self._finish(item, time.monotonic() - begin)
        return True

    def _finish(self, item: pytest.Item, seconds: float) -> None:
        outcome, text = "passed", ""
        for report in self.reports:
            if report.failed:
                outcome, text = "failed", text + report.longreprtext
            elif report.skipped and outcome == "passed":
                where = report.longrepr
                outcome, text = "skipped", where[2] if isinstance(where, tuple) else str(where)
        poisoned = outcome == "failed" and not healthy[0]()
        self.tell(
            event="finished",
            id=item.nodeid,
            outcome=outcome,
            seconds=round(seconds, 3),
            text=text[-TEXT:],
            data=dict(item.user_properties),
            poisoned=poisoned,
        )
        if poisoned:
            # The process's GPU context is lost: every later test would fail for this one's sake.
            os._exit(86)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep what could not be imported."""
        if report.failed:
            self.broken.append(report.longreprtext[-TEXT:])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the reports of setup, call and teardown."""
        self.reports.append(report)


def pytest_configure(config: pytest.Config) -> None:
    """Join in where a runner feeds this process."""
    fd = config.getoption("--feed-fd")
    if fd is not None:
        config.pluginmanager.register(Feed(fd, config.getoption("--feed-orders")), "feed-loop")
