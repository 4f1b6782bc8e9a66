"""What is known of the machine a text comes from, read from a JSON file.

Knows the keys that it looks for and takes them wherever they stand in the file,
so that both the output of `rocm-patch detect --json` and a few lines written by
hand will do. An absent key means: not known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from rocm_patch.errors import UsageError

_GFX = re.compile(r"gfx[0-9a-f]{3,4}")
#: Keys whose value, if true, is a fact of the same name.
_FLAGS = {"wsl": "wsl", "wsl2": "wsl", "container": "container", "in_container": "container"}
#: Keys under which targets are those of software.
_NOT_THE_MACHINE = frozenset({"libraries", "kernel_folders", "rocm", "wheels", "packages", "environment"})
#: A larger file describes no machine.
_LARGEST = 16 << 20


@attrs.frozen
class Machine:
    """Targets of the GPUs, the distribution's ids (`ubuntu`, `ubuntu-24.04`), and facts that hold."""

    gfx: tuple[str, ...] = ()
    distribution: tuple[str, ...] = ()
    facts: frozenset[str] = frozenset()
    #: Facts that are known not to hold.
    absent: frozenset[str] = frozenset()
    #: Observations of doctor's with the lines that show them; given where the text is this machine's own.
    observed: tuple[tuple[str, tuple[str, ...]], ...] = ()
    #: Whether the text comes from this very machine, so that its description outweighs the text.
    own_text: bool = False


def read_machine(path: Path) -> Machine:
    """Read a description. UsageError if it is no JSON object or names nothing that is of use here."""
    try:
        with path.open("rb") as stream:
            data = json.loads(stream.read(_LARGEST))
    except (OSError, ValueError, RecursionError) as error:
        raise _unusable(path, str(error)) from error
    gfx: list[str] = []
    distribution: list[str] = []
    facts: set[str] = set()
    absent: set[str] = set()
    for key, value in _pairs(data):
        if "gfx" in key or key in {"target", "targets"}:
            gfx += [name for name in _gfx_names(value) if name not in gfx]
        elif key in {"distribution", "os"}:
            distribution += _distribution(value)
        elif key in _FLAGS and isinstance(value, bool):
            (facts if value else absent).add(_FLAGS[key])
    if gfx:
        facts.add("amd-gpu")
    if not (gfx or distribution or facts or absent):
        raise _unusable(path, "it names no gfx target, distribution, wsl or container")
    return Machine(tuple(gfx), tuple(distribution), frozenset(facts), frozenset(absent))


def _pairs(data: Any) -> Iterator[tuple[str, Any]]:
    """Give every key with its value, at any depth; lists of libraries do not describe the machine."""
    waiting = [data]
    while waiting:
        item = waiting.pop(0)
        if isinstance(item, dict):
            for key, value in item.items():
                yield str(key).lower(), value
                if str(key).lower() not in _NOT_THE_MACHINE:
                    waiting.append(value)
        elif isinstance(item, list):
            waiting += item


def _gfx_names(value: Any) -> list[str]:
    """Take names out of a text, a list of texts, or KFD's number (100100 is gfx1010; 0 is a processor)."""
    if isinstance(value, bool):
        return []
    if isinstance(value, int):
        return [gfx_of_number(value)] if value else []
    if isinstance(value, list):
        return [name for item in value if isinstance(item, str | int) for name in _gfx_names(item)]
    return _GFX.findall(value.lower()) if isinstance(value, str) else []


def gfx_of_number(number: int) -> str:
    """Give the name of KFD's gfx_target_version: major * 10000 + minor * 100 + stepping."""
    return f"gfx{number // 10000}{number // 100 % 100:x}{number % 100:x}"


def _distribution(value: Any) -> list[str]:
    """Give the ids of a distribution, the general one first."""
    if isinstance(value, str):
        return [value.lower()]
    if not isinstance(value, dict):
        return []
    name = str(value.get("id", "")).lower()
    version = str(value.get("version_id", value.get("version", ""))).lower()
    return [one for one in (name, f"{name}-{version}" if version else "") if name and one]


def _unusable(path: Path, cause: str) -> UsageError:
    return UsageError(
        f"{path} does not describe a machine",
        cause=cause,
        step='give the output of `rocm-patch detect --json`, or {"gpus": [{"gfx": "gfx1010"}]}',
    )
