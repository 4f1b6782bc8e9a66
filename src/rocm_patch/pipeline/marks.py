"""The mark of a finished step: written last, checked first, doubted always.

A mark vouches for a step's inputs (by key) and outputs (by size, times and hash). It
carries its own checksum, so a torn or edited mark counts as none. Knows nothing of
how a step is run.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from rocm_patch.pipeline.digest import DigestIndex, atomic_write, read_digest, text_digest, tree_stat

FORMAT = 1


@attrs.frozen
class Mark:
    """What is known of a finished step."""

    step: str
    key: str
    inputs: dict[str, str]
    outputs: dict[str, dict[str, str]]
    usage: dict[str, float]
    facts: dict[str, Any]
    log: str
    finished: str


@attrs.frozen
class Verdict:
    """Whether a step's result stands, and if not, why it must be made again.

    `damaged` names outputs whose bytes are not those that the step made.
    """

    fresh: bool
    reason: str
    mark: Mark | None = None
    damaged: tuple[str, ...] = ()


def _quick(path: Path) -> str:
    """Give what changes when a file or folder is written to, without reading it."""
    if path.is_dir():
        return f"tree:{tree_stat(path)}"
    info = path.stat()
    return f"file:{info.st_size}:{info.st_mtime_ns}:{info.st_ino}"


def _whole(path: Path, index: DigestIndex) -> str:
    return index.tree(path) if path.is_dir() else index.file(path)


def observe(folder: Path, outputs: Sequence[str], index: DigestIndex) -> dict[str, dict[str, str]]:
    """Describe a step's outputs for its mark. FileNotFoundError names one that was not made."""
    return {
        name: {"quick": _quick(folder / name), "sha256": _whole(folder / name, index)} for name in outputs
    }


def write_mark(path: Path, mark: Mark) -> None:
    """Write a mark atomically; from then on the step counts as done."""
    body = {"format": FORMAT, **attrs.asdict(mark)}
    atomic_write(path, json.dumps({"body": body, "sum": text_digest(body)}, indent=1).encode())


def read_mark(path: Path) -> Mark | None:
    """Read a mark. None where there is none; ValueError where it is damaged."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    loaded = json.loads(content)
    if not isinstance(loaded, dict) or not isinstance(loaded.get("body"), dict):
        raise ValueError("not a mark")  # noqa: TRY004 - damaged data, not a wrong call
    body: dict[str, Any] = loaded["body"]
    if loaded.get("sum") != text_digest(body):
        raise ValueError("its checksum does not fit")
    if body.pop("format", None) != FORMAT:
        raise ValueError("it is of another format")
    return Mark(**body)


def _changed_inputs(mark: Mark, inputs: dict[str, str]) -> str:
    names = sorted(name for name in {*mark.inputs, *inputs} if mark.inputs.get(name) != inputs.get(name))
    return f"changed: {', '.join(names)}" if names else "changed: the step's definition"


def judge(
    path: Path,
    folder: Path,
    key: str,
    inputs: dict[str, str],
    *,
    outputs: Sequence[str],
    keeps: Sequence[str],
    index: DigestIndex,
    thorough: bool = False,
) -> Verdict:
    """Say whether a step's result stands.

    An output whose size or times differ is read again and stands if its bytes are the
    same; `thorough` reads every output whatever its times.
    """
    try:
        mark = read_mark(path)
    except (ValueError, TypeError, KeyError):
        return Verdict(fresh=False, reason="its mark is damaged")
    if mark is None:
        return Verdict(fresh=False, reason="not done yet")
    if mark.key != key:
        return Verdict(fresh=False, reason=_changed_inputs(mark, inputs), mark=mark)
    problems = [f"{name} is missing" for name in keeps if not (folder / name).exists()]
    damaged = []
    for name in outputs:
        problem = _output_problem(folder / name, mark.outputs.get(name), index, thorough=thorough)
        if problem:
            problems.append(f"output {name} {problem}")
            damaged.append(name)
    reason = "; ".join(problems)
    return Verdict(fresh=not problems, reason=reason or "unchanged", mark=mark, damaged=tuple(damaged))


def _output_problem(path: Path, known: dict[str, str] | None, index: DigestIndex, *, thorough: bool) -> str:
    if known is None or not path.exists():
        return "is missing"
    if not thorough and _quick(path) == known["quick"]:
        return ""
    # Past the index: it is the bytes that are in doubt.
    found = index.tree(path) if path.is_dir() else read_digest(path)
    return "" if found == known["sha256"] else "was changed or damaged"
