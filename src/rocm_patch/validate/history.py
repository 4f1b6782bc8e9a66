"""The benchmark's memory: earlier values of the same GPU, and whether today's are slower.

One JSON line a value in a file that the user names. Knows values and names, not tests.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

from rocm_patch.errors import DataError
from rocm_patch.validate.model import Run

#: Earlier values that the verdict looks at, newest first.
KEPT = 20
#: A value below this share of the median is a regression, if it is outside of the usual spread as well.
SHARE = 0.9
#: Median absolute deviations that count as usual spread.
SPREAD = 3.0


def values_of(run: Run) -> list[dict[str, Any]]:
    """Give the measured values of a run: name, value, unit; larger is better."""
    return [result.values["bench"] for result in run.results if "bench" in result.values]


def read(path: Path) -> list[dict[str, Any]]:
    """Read a history; a missing file is an empty one."""
    if not path.is_file():
        return []
    entries = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            entry = json.loads(line)
            float(entry["value"])
            entry["name"], entry["gpu"]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path} is no benchmark history",
                cause=f"line {number}: {error}",
                step="remove that line, or name another file by --history",
            ) from error
        entries.append(entry)
    return entries


def judge(run: Run, earlier: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Compare each value with the median of the same GPU's earlier ones.

    A regression is below SHARE of the median and more than SPREAD deviations below it.
    Without earlier values there is nothing to be slower than.
    """
    verdicts = []
    for value in values_of(run):
        same = [
            float(e["value"])
            for e in earlier
            if e["name"] == value["name"] and e["gpu"] == run.about.get("name")
        ][-KEPT:]
        usual = median(same) if same else None
        regressed = False
        if usual is not None:
            deviation = median([abs(v - usual) for v in same])
            regressed = value["value"] < SHARE * usual and value["value"] < usual - SPREAD * deviation
        verdicts.append({**value, "usual": usual, "earlier": len(same), "regressed": regressed})
    return verdicts


def append(run: Run, path: Path) -> None:
    """Add a run's values to the history."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        for value in values_of(run):
            entry = {
                **value,
                "gpu": run.about.get("name"),
                "torch": run.about.get("torch"),
                "date": run.started,
            }
            stream.write(json.dumps(entry) + "\n")
