"""Rates: scaled defaults, then what this machine did."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rocm_patch.errors import DataError
from rocm_patch.pipeline import rates
from rocm_patch.pipeline.rates import Rates

DEFAULTS = "score: 100\nclasses: {c++: 10, hip: 30, other: 1}\nfetch: 1000000\n"


@pytest.fixture
def defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "rates.yml"
    path.write_text(DEFAULTS)
    monkeypatch.setattr(rates, "benchmark", lambda: 200.0)
    return path


def test_defaults_are_scaled_by_the_benchmark(tmp_path: Path, defaults: Path) -> None:
    found = Rates.load(tmp_path / "store.json", defaults)
    assert found.of_work({"c++": 3, "hip": 1, "unheard": 2}) == pytest.approx(15 + 15 + 1)
    assert not (tmp_path / "store.json").exists()


def test_a_run_teaches(tmp_path: Path, defaults: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Rates.load(tmp_path / "store.json", defaults)
    first.learn_objects("toy-1", {"a.o": 4.0, "b.o": 6.0}, {"a.o": "c++", "b.o": "c++"})
    first.learn_step("toy", "unpack", 3.5)
    first.learn_fetch(10_000_000, 2.0)
    first.learn_fetch(10, 2.0)
    first.save()
    monkeypatch.setattr(rates, "benchmark", lambda: pytest.fail("measured again"))
    again = Rates.load(tmp_path / "store.json", defaults)
    assert again.of_class("c++") == 5.0
    assert again.of_class("hip") == 15.0  # not measured: still the scaled default
    assert again.of_object("toy-1", "a.o", "c++") == 4.0
    assert again.of_object("toy-1", "new.o", "c++") == 5.0
    assert again.steps == {"toy/unpack": 3.5}
    assert again.fetch == 5_000_000
    again.learn_objects("toy-1", {"a.o": 9.0}, {"a.o": "c++"})
    assert again.of_class("c++") == 7.0  # half of the way to the new mean


def test_damaged_store_counts_as_none(tmp_path: Path, defaults: Path) -> None:
    store = tmp_path / "store.json"
    for content in (b"", b"[1]", b"\xff"):
        store.write_bytes(content)
        assert Rates.load(store, defaults).of_class("hip") == 15.0


def test_broken_defaults_are_named(tmp_path: Path) -> None:
    path = tmp_path / "rates.yml"
    for content in ("classes: 3", "score: x\nclasses: {}\nfetch: 1", "{"):
        path.write_text(content)
        with pytest.raises(DataError, match=r"rates\.yml is not a table of rates"):
            Rates.load(tmp_path / "store.json", path)


def test_the_shipped_defaults_load_and_benchmark_runs(tmp_path: Path) -> None:
    assert rates.benchmark(0.02) > 0
    found = Rates.load(tmp_path / "store.json")
    found.save()
    stored = json.loads((tmp_path / "store.json").read_text())
    assert stored["score"] > 0
    assert stored["classes"] == {}
