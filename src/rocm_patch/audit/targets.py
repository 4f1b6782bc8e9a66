"""GPU targets as data: their numbers in ELF files, target ids, and the limits that occupancy follows from.

Reads build/targets/*.yml. Knows nothing of files that hold code; a new card is a
new data file, never a change here.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import attrs
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rocm_patch.errors import DataError
from rocm_patch.paths import data_root

_FEATURE_FIELDS = {"xnack": 0x300, "sramecc": 0xC00}
_FEATURE_SUFFIX = {1: "", 2: "-", 3: "+"}
_PROCESSOR = re.compile(r"gfx[0-9a-f]{3,4}|gfx[0-9]+(-[0-9]+)?-generic")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Machine(_Strict):
    """One processor number of AMDGPU ELF files."""

    mach: int = Field(ge=1, le=255)
    name: str
    features: tuple[str, ...]


class Registers(_Strict):
    """The vector register file of one SIMD, by wave size (lanes): registers per lane."""

    total: dict[int, int]
    granule: dict[int, int]
    addressable: int


class PerUnit(_Strict):
    """A quantity of a single CU and of a workgroup processor (two CUs)."""

    cu: int
    wgp: int


class LocalMemory(_Strict):
    """LDS in bytes: the most one workgroup may have, what a unit holds, and the allocation step."""

    workgroup: int
    cu: int
    wgp: int
    granule: int


class GpuTarget(_Strict):
    """What build/targets/NAME.yml says of one gfx target."""

    name: str
    mach: int
    family: str
    features: tuple[str, ...]
    unusable_features: tuple[str, ...]
    generic: str
    wave_sizes: tuple[int, ...]
    vgpr: Registers
    sgpr_per_wave: int
    waves_per_simd: int
    simds: PerUnit
    workgroups: PerUnit
    lds: LocalMemory
    max_workgroup_size: int
    scratch_per_wave: int


@attrs.frozen
class TargetId:
    """A processor with the features its code was built for, as in `gfx90a:sramecc+:xnack-`."""

    processor: str
    features: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Give the usual spelling."""
        return ":".join((self.processor, *self.features))

    @property
    def generation(self) -> int:
        """Give the major number of the instruction set: 9, 10, 11..., 0 where the name has none."""
        digits = re.match(r"gfx([0-9a-f]+)", self.processor)
        if digits is None:
            return 0
        text = digits[1] if "generic" in self.processor else digits[1][:-2]
        return int(text) if text.isdecimal() else 0


def parse_target_id(text: str) -> TargetId | None:
    """Read `gfx1010:xnack-` (features in any order); None where the text is no target id."""
    processor, *features = text.split(":")
    if _PROCESSOR.fullmatch(processor) is None:
        return None
    if any(re.fullmatch(r"(xnack|sramecc)[+-]", feature) is None for feature in features):
        return None
    return TargetId(processor, tuple(sorted(features)))


def target_of_flags(flags: int, version: int) -> TargetId:
    """Read the target from e_flags, whose feature bits changed with code object version 4."""
    mach = flags & 0xFF
    machine = machines().get(mach)
    name = machine.name if machine else f"mach-0x{mach:02x}"
    supported = machine.features if machine else ("xnack", "sramecc")
    features = []
    for feature, mask in sorted(_FEATURE_FIELDS.items()):
        if version >= 4:  # noqa: PLR2004 - code object version
            value = (flags & mask) >> (mask.bit_length() - 2)
            suffix = _FEATURE_SUFFIX.get(value, "")
        else:
            on = bool(flags & (0x100 if feature == "xnack" else 0x200))
            suffix = "+" if on else "-" if feature in supported else ""
        if suffix:
            features.append(feature + suffix)
    return TargetId(name, tuple(features))


def _folder() -> Path:
    return data_root() / "build" / "targets"


def _load(path: Path) -> object:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise DataError(f"{path} cannot be read", cause=str(error), step="restore the file") from error


@lru_cache(maxsize=1)
def machines() -> dict[int, Machine]:
    """Give every known processor by its number in e_flags."""
    path = _folder() / "machines.yml"
    data = _load(path)
    try:
        rows = [Machine.model_validate(row) for row in _rows(data)]
    except ValidationError as error:
        raise DataError(
            f"{path} breaks its schema", cause=str(error), step="mend the named fields"
        ) from error
    return {row.mach: row for row in rows}


def _rows(data: object) -> list[object]:
    rows = data.get("machines") if isinstance(data, dict) else None
    return rows if isinstance(rows, list) else []


@lru_cache(maxsize=1)
def known_targets() -> dict[str, GpuTarget]:
    """Give every target that has a data file, by name."""
    found = {}
    for path in sorted(_folder().glob("gfx*.yml")):
        try:
            target = GpuTarget.model_validate(_load(path))
        except ValidationError as error:
            step = "mend the named fields"
            raise DataError(f"{path} breaks its schema", cause=str(error), step=step) from error
        machine = machines().get(target.mach)
        if target.name != path.stem or machine is None or machine.name != target.name:
            raise DataError(
                f"{path} names {target.name} with mach 0x{target.mach:02x}",
                cause="file name, target name and machines.yml must agree",
                step="mend the file",
            )
        found[target.name] = target
    return found


def generic_of(target: str) -> str:
    """Name the generic target whose code the loader gives to a card as well; itself, where none is known."""
    known = known_targets().get(target)
    return known.generic if known is not None else target
