"""The format, read by a strict reader written from Prometheus' description, and the file's replacing."""

from __future__ import annotations

import math
import os
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.metrics.exposition import parse

from rocm_patch.metrics.textfile import Metric, text, write

#: A busy machine is slow at drawing examples, and that is no failure.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_a_family_is_described_before_its_samples() -> None:
    metric = (
        Metric("rocm_patch_x", 'what "it" \\ is\nindeed').set(1, {"b": "2", "a": "1"}).set(0.5, {"a": "0"})
    )
    assert text([metric]) == (
        '# HELP rocm_patch_x what "it" \\\\ is\\nindeed\n# TYPE rocm_patch_x gauge\n'
        'rocm_patch_x{a="1",b="2"} 1\nrocm_patch_x{a="0"} 0.5\n'
    )


@PATIENT
@given(st.dictionaries(st.text(max_size=20), st.floats(), max_size=4), st.text(max_size=40))
def test_any_label_value_and_number_can_be_read_again(values: dict[str, float], words: str) -> None:
    metric = Metric("rocm_patch_x", words)
    for value, number in values.items():
        metric.set(number, {"name": value})
    families = parse(text([metric]))
    if not values:
        assert families == {}
        return
    found = families["rocm_patch_x"].samples
    for value, number in values.items():
        expected = value.encode("utf-8", "replace").decode()
        again = found[(("name", expected),)]
        assert again == number or (math.isnan(again) and math.isnan(number))


def test_what_is_not_known_is_absent() -> None:
    assert text([Metric("rocm_patch_x", "x").set(None)]) == ""


@pytest.mark.parametrize("metric", [Metric("x-y", "x"), Metric("a_total", "x"), Metric("a", "x", "counter")])
def test_a_wrong_name_is_refused(metric: Metric) -> None:
    with pytest.raises(ValueError, match="is no name"):
        text([metric.set(1)])


def test_the_file_is_replaced_at_once(tmp_path: Path) -> None:
    place = tmp_path / "rocm_patch.prom"
    contents = [f"{letter * 200_000}\n" for letter in "ab"]
    write(place, contents[0])
    seen: set[str] = set()
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            seen.add(place.read_text("utf-8"))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(60):
        write(place, contents[number % 2])
    over.set()
    reader.join()
    assert seen <= set(contents)
    assert place.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["rocm_patch.prom"]


def test_a_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "rocm_patch.prom"
    write(place, "old\n")

    def fail(file: int) -> None:
        del file
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write(place, "new\n")
    assert place.read_text("utf-8") == "old\n"
    assert len(list(tmp_path.iterdir())) == 1
