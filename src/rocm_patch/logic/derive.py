"""Derive a card's Tensile logic files from those of a relative: names, ISA and device id change.

A logic file is YAML of fixed form that Tensile's own tools write: the schedule, the gfx name and
the devices stand in lines 2 to 4, and each solution has one ISA line. Those lines alone are
rewritten, so that sizes, indices and tuning stay byte for byte; a file of another form is refused.
Files for a data type whose kernels need dot instructions are left out. Knows no build and no
Tensile; that the derived kernels assemble and keep the hardware's rules is the audit's to say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import attrs
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rocm_patch.errors import DataError, UsageError
from rocm_patch.paths import data_root

#: A solution's ISA, and what else may never be left over from the relative.
_ISA = re.compile(rb"^( +ISA: )\[(\d+), (\d+), (\d+)\]$", re.MULTILINE)
_DATA_TYPE = re.compile(rb"^  DataType: (\d+)$", re.MULTILINE)
_HEAD_LINES = 4


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Card(_Strict):
    """How logic files name a card: schedule, gfx name, ISA, PCI device ids."""

    schedule: str = Field(pattern=r"^[a-z][a-z0-9]*$")
    gfx: str = Field(pattern=r"^gfx[0-9a-f]+$")
    isa: tuple[int, int, int]
    devices: tuple[str, ...]

    @property
    def head(self) -> bytes:
        """Give lines 2 to 4 of a logic file."""
        devices = ", ".join(f"Device {one}" for one in self.devices)
        return f"- {self.schedule}\n- {self.gfx}\n- [{devices}]\n".encode()

    @property
    def isa_text(self) -> bytes:
        """Give the ISA as a solution writes it."""
        return f"[{', '.join(str(part) for part in self.isa)}]".encode()


class Rules(_Strict):
    """One card's derivation: from which card, and which of Tensile's data types are left out (and why)."""

    source: Card
    target: Card
    leave_out: dict[int, str] = {}


class _File(_Strict):
    schema_version: int = Field(alias="schema", ge=1, le=1)
    targets: dict[str, Rules]


@attrs.frozen
class Derived:
    """What became of one file: its new name, or why it was left out; the count of its solutions."""

    source: str
    name: str | None
    solutions: int
    reason: str = ""


def load_rules(target: str) -> Rules:
    """Read a gfx target's rules from recipes/rocblas/logic.yml. DataError, UsageError."""
    path = data_root() / "recipes" / "rocblas" / "logic.yml"
    try:
        content = _File.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise DataError(f"{path} is not usable", cause=str(error), step="restore it from git") from error
    found = content.targets.get(target)
    if found is None:
        raise UsageError(
            f"there are no rules to derive logic for {target}",
            step=f"one of: {', '.join(sorted(content.targets))}; or add it to recipes/rocblas/logic.yml",
        )
    return found


def derive(source: Path, dest: Path, rules: Rules) -> list[Derived]:
    """Write the derived files of the folder `source` into the new folder `dest`. DataError.

    All or nothing: a file that is not of the known form leaves no `dest` behind.
    """
    files = sorted(source.glob("*.yaml"))
    if not files:
        raise DataError(
            f"{source} holds no logic files",
            step="name the folder of one card, such as library/src/blas3/Tensile/Logic/asm_full/navi21",
        )
    made: list[tuple[str, bytes]] = []
    results: list[Derived] = []
    for path in files:
        data = path.read_bytes()
        kind = _data_type(path, data)
        solutions = len(_ISA.findall(data))
        reason = rules.leave_out.get(kind)
        if reason is not None:
            results.append(Derived(path.name, None, solutions, reason))
            continue
        name = _renamed(path.name, rules)
        made.append((name, _rewritten(path, data, rules)))
        results.append(Derived(path.name, name, solutions))
    dest.mkdir(parents=True)
    for name, data in made:
        (dest / name).write_bytes(data)
    return results


def _data_type(path: Path, data: bytes) -> int:
    """Give the number of the problem's data type: the same in every place of a file."""
    kinds = {int(match) for match in _DATA_TYPE.findall(data)}
    if len(kinds) != 1:
        raise _bad(path, f"its data types are {sorted(kinds)}, not one")
    return kinds.pop()


def _renamed(name: str, rules: Rules) -> str:
    prefix = f"{rules.source.schedule}_"
    if not name.startswith(prefix):
        raise DataError(f"{name} does not begin with {prefix}", step="look what else the folder holds")
    return f"{rules.target.schedule}_{name.removeprefix(prefix)}"


def _rewritten(path: Path, data: bytes, rules: Rules) -> bytes:
    first, _, rest = data.partition(b"\n")
    if not rest.startswith(rules.source.head):
        begin = b" | ".join(data.split(b"\n")[1:_HEAD_LINES]).decode(errors="replace")
        raise _bad(path, f"lines 2 to 4 are {begin!r}, not those of {rules.source.schedule}")
    wrong = {match[1:] for match in _ISA.findall(rest)} - {_parts(rules.source.isa)}
    if wrong or not _ISA.search(rest):
        raise _bad(path, f"its solutions' ISAs are not all {list(rules.source.isa)}")
    body = rest[len(rules.source.head) :]
    body = _ISA.sub(lambda match: match[1] + rules.target.isa_text, body)
    for word in _words(rules.source):
        if word in body:
            raise _bad(path, f"{word.decode()} stands where no logic file had it before")
    return first + b"\n" + rules.target.head + body


def _parts(isa: Sequence[int]) -> tuple[bytes, ...]:
    return tuple(str(part).encode() for part in isa)


def _words(card: Card) -> list[bytes]:
    """Give the texts by which a logic file could still mean the old card."""
    return [card.schedule.encode(), card.gfx.encode(), card.isa_text, f"ISA{card.gfx[3:]}".encode()]


def _bad(path: Path, cause: str) -> DataError:
    return DataError(
        f"{path} is not a logic file of the known form",
        cause=cause,
        step="read the file: if Tensile's format has changed, rocm_patch.logic.derive must learn it",
    )
