"""Prometheus' text exposition format, and a file of it that is replaced at once.

Knows the format; nothing of what is measured.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import attrs

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_LABEL = re.compile(r"[a-z][a-z0-9_]*")


@attrs.define
class Metric:
    """A family: its name, what it means, and its samples by labels."""

    name: str
    help: str
    kind: Literal["gauge", "counter"] = "gauge"
    samples: dict[tuple[tuple[str, str], ...], float] = attrs.field(factory=dict)

    def set(self, value: float | None, labels: Mapping[str, str] | None = None) -> Metric:
        """Set one sample; None, which means not known, sets none."""
        if value is not None:
            self.samples[tuple(sorted((labels or {}).items()))] = float(value)
        return self


def text(metrics: list[Metric]) -> str:
    """Write the families; one without samples is left out, since an absent value is one not known."""
    lines: list[str] = []
    for metric in metrics:
        if not _NAME.fullmatch(metric.name) or (metric.kind == "counter") != metric.name.endswith("_total"):
            raise ValueError(f"{metric.name} is no name for a {metric.kind}")
        if not metric.samples:
            continue
        lines += [
            f"# HELP {metric.name} {_escaped(metric.help, quote=False)}",
            f"# TYPE {metric.name} {metric.kind}",
        ]
        for labels, value in metric.samples.items():
            lines.append(f"{metric.name}{_labels(labels)} {_number(value)}")
    return "\n".join([*lines, ""])


def write(path: Path, content: str) -> None:
    """Replace the file at once: a collector that reads at the same time sees the old one or the new one.

    Readable by all, as the collector runs as another user.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(content)
            stream.flush()
            os.fchmod(stream.fileno(), 0o644)
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _labels(labels: tuple[tuple[str, str], ...]) -> str:
    for name, _ in labels:
        if not _LABEL.fullmatch(name):
            raise ValueError(f"{name} is no name for a label")
    inside = ",".join(f'{name}="{_escaped(value, quote=True)}"' for name, value in labels)
    return f"{{{inside}}}" if inside else ""


def _escaped(value: str, *, quote: bool) -> str:
    value = value.encode("utf-8", "replace").decode().replace("\\", "\\\\").replace("\n", "\\n")
    return value.replace('"', '\\"') if quote else value


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
