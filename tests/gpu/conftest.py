"""Options, tiers and fixtures of the GPU training suite; the device check comes first.

Run it by `rocm-patch validate`, or by hand: `pytest -c tests/gpu/pytest.ini tests/gpu --tier quick`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import feed
import pytest
import torch
from suite import device as devices
from suite.guard import Guard
from suite.mutations import MUTATIONS, mutation
from suite.record import Record

pytest_plugins = ["feed"]
TIERS = ("quick", "slice", "full")
GIB = 1 << 30


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's options."""
    group = parser.getgroup("GPU suite")
    group.addoption("--tier", choices=TIERS, default="full", help="how much: quick, slice or full")
    group.addoption("--device", default="cuda:0", help="the GPU under test")
    group.addoption("--mutate", default=None, metavar="NAME", help="plant a defect (suite/mutations.py)")
    group.addoption(
        "--memory", type=float, default=6.0, metavar="GIB", help="device memory that the suite may take"
    )
    group.addoption("--bench", action="store_true", help="also measure throughput")
    group.addoption("--virtual", action="store_true", help="the GPU under test is rocm-patch's virtual one")


def pytest_configure(config: pytest.Config) -> None:
    """Find the GPU before anything is collected; without one there is nothing to test."""
    try:
        gpu = devices.find_gpu(config.getoption("--device"))
    except devices.NoGpuError as error:
        raise pytest.UsageError(str(error)) from error
    devices.settle(gpu)
    Guard.device = gpu
    about = devices.describe(gpu)
    # By the option, the tests that are the virtual card's own run even if it had forgotten its name.
    config.virtual = config.getoption("--virtual") or about["name"].endswith("(virtual)")  # type: ignore[attr-defined]
    config.about = about | {  # type: ignore[attr-defined]
        "tier": config.getoption("--tier"),
        "mutations": ", ".join(MUTATIONS),
    }
    name = config.getoption("--mutate")
    if name is not None:
        try:
            Guard.mutation = staticmethod(mutation(name))  # type: ignore[assignment]
        except KeyError as error:
            raise pytest.UsageError(error.args[0]) from error
    feed.healthy[0] = lambda: _healthy(gpu)


def _healthy(gpu: torch.device) -> bool:
    """Say whether the context survived: after a fault every call raises."""
    try:
        torch.cuda.synchronize(gpu)
        return bool(torch.ones(8, device=gpu).sum().item() == 8)
    except RuntimeError:
        return False


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests of the tier and of this kind of card; measurements only if asked for."""
    tier = config.getoption("--tier")
    other = "real" if config.virtual else "virtual"  # type: ignore[attr-defined]

    def unwanted(marks: set[str]) -> bool:
        return (
            (tier != "full" and tier not in marks)
            or other in marks
            or ("bench" in marks and not config.getoption("--bench"))
            # A planted defect bends results; what is about the device itself would only cost time.
            or ("exclusive" in marks and config.getoption("--mutate") is not None)
        )

    gone = [item for item in items if unwanted({mark.name for mark in item.iter_markers()})]
    if gone:
        config.hook.pytest_deselected(items=gone)
        items[:] = [item for item in items if item not in set(gone)]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    """Mark a test that gave up (skipped or failed): the question whether it was guarded is then idle."""
    outcome = yield
    if call.when == "call" and not outcome.get_result().passed:
        item.gave_up = True  # type: ignore[attr-defined]


@pytest.fixture
def gpu() -> torch.device:
    """Give the device under test."""
    assert Guard.device is not None
    return Guard.device


@pytest.fixture
def tier(pytestconfig: pytest.Config) -> str:
    """Give the tier's name: tests scale their sizes by it."""
    return str(pytestconfig.getoption("--tier"))


@pytest.fixture
def memory(pytestconfig: pytest.Config, gpu: torch.device) -> int:
    """Give the bytes of device memory that tests of the edge may take."""
    asked = int(pytestconfig.getoption("--memory") * GIB)
    free, _ = torch.cuda.mem_get_info(gpu)
    return min(asked, free)


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Iterator[Record]:
    """Give the test's record and send it with the outcome."""
    kept = Record()
    yield kept
    request.node.user_properties.append(("record", kept.data()))


@pytest.fixture(autouse=True)
def _guarded(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test whose work never went through the guard: it would prove nothing about the GPU."""
    Guard.entered = 0
    torch.manual_seed(0)
    yield
    if request.node.get_closest_marker("unguarded") is None and not getattr(request.node, "gave_up", False):
        assert Guard.entered > 0, "nothing of this test ran under the guard (suite.guard.gpu_only)"
