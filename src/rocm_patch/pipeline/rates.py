"""How long work takes on this machine: measured by every run, guessed before the first.

Kept in the cache: mean seconds per class of object, seconds per object of a component,
seconds per step. Before anything is measured, build/rates.yml is scaled by a short
benchmark. Knows classes and names only, no component.
"""

from __future__ import annotations

import contextlib
import json
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import yaml

from rocm_patch.errors import DataError
from rocm_patch.paths import data_root
from rocm_patch.pipeline.digest import atomic_write

_BENCHMARK_S = 0.6
#: How much a new measurement moves a known mean.
_NEW_SHARE = 0.5
#: A smaller download says more of the server's first answer than of the line.
_TELLING_BYTES = 1_000_000


def benchmark(seconds: float = _BENCHMARK_S) -> float:
    """Give loops of fixed work per second of this thread's CPU time (so other load matters little)."""
    sample = bytes(range(256)) * 256
    table = {str(i): i for i in range(2000)}
    loops = 0
    start = time.thread_time()
    while (spent := time.thread_time() - start) < seconds:
        zlib.compress(sample, 6)
        for _ in range(10):
            sum(table[str(i)] for i in range(2000))
        loops += 1
    return loops / spent


@attrs.define
class Rates:
    """Seconds by class, by object and by step; bytes a second for downloads."""

    store: Path
    classes: dict[str, float]
    fetch: float
    measured: set[str] = attrs.field(factory=set)
    objects: dict[str, dict[str, float]] = attrs.field(factory=dict)
    steps: dict[str, float] = attrs.field(factory=dict)
    score: float = 0.0

    @classmethod
    def load(cls, store: Path, defaults: Path | None = None) -> Rates:
        """Read what this machine has measured over the shipped defaults; a damaged file counts as none."""
        path = defaults or data_root() / "build" / "rates.yml"
        try:
            shipped = yaml.safe_load(path.read_text())
            base = {name: float(value) for name, value in shipped["classes"].items()}
            reference, fetch = float(shipped["score"]), float(shipped["fetch"])
        except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
            raise DataError(
                f"{path} is not a table of rates", cause=str(error), step="restore it from git"
            ) from error
        known: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError):
            loaded = json.loads(store.read_bytes())
            known = loaded if isinstance(loaded, dict) else {}
        score = float(known.get("score") or 0.0)
        rates = cls(store=store, classes=base, fetch=float(known.get("fetch") or fetch), score=score)
        if not score:
            rates.score = benchmark()
        factor = reference / rates.score
        rates.classes = {name: value * factor for name, value in base.items()}
        measured = known.get("classes") or {}
        rates.classes.update({name: float(value) for name, value in measured.items()})
        rates.measured = set(measured)
        rates.objects = known.get("objects") or {}
        rates.steps = known.get("steps") or {}
        return rates

    def save(self) -> None:
        """Write what was measured (never the scaled defaults)."""
        content = {
            "score": self.score,
            "fetch": self.fetch,
            "classes": {name: self.classes[name] for name in sorted(self.measured)},
            "objects": self.objects,
            "steps": self.steps,
        }
        atomic_write(self.store, json.dumps(content).encode())

    def of_class(self, name: str) -> float:
        """Give the mean seconds of a class of object."""
        return self.classes.get(name, self.classes["other"])

    def of_object(self, group: str, output: str, kind: str) -> float:
        """Give the seconds of one object: as measured in this group (component), else its class's."""
        return self.objects.get(group, {}).get(output, self.of_class(kind))

    def of_work(self, work: Mapping[str, int]) -> float:
        """Give the core seconds of so many objects of each class."""
        return sum(self.of_class(name) * count for name, count in work.items())

    def learn_step(self, component: str, step: str, seconds: float) -> None:
        """Keep what a step took, whole."""
        self.steps[f"{component}/{step}"] = round(seconds, 3)

    def learn_fetch(self, fetched: int, seconds: float) -> None:
        """Keep the rate of a download, if it was large enough to tell."""
        if fetched > _TELLING_BYTES and seconds > 0:
            self.fetch = fetched / seconds

    def learn_objects(self, group: str, seconds: Mapping[str, float], kinds: Mapping[str, str]) -> None:
        """Keep objects compiled for real (not out of a compiler cache) and the means of their classes."""
        self.objects.setdefault(group, {}).update({name: round(value, 2) for name, value in seconds.items()})
        sums: dict[str, list[float]] = {}
        for name, value in seconds.items():
            sums.setdefault(kinds.get(name, "other"), []).append(value)
        for kind, values in sums.items():
            mean = sum(values) / len(values)
            old = self.classes[kind] if kind in self.measured else mean
            self.classes[kind] = old + (mean - old) * _NEW_SHARE
            self.measured.add(kind)
