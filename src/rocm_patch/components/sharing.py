"""Begin a build with what the same build for another Python has compiled.

All but the Python bindings is the same for each Python, to the letter of the command lines. Ninja
goes by these, which it keeps beside the objects, and by times, which are copied with them: what
differs it compiles again by itself. Knows work folders; which files belong to one Python only, and
what must be equal, the component says.
"""

from __future__ import annotations

import contextlib
import filecmp
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from rocm_patch.pipeline.digest import walk
from rocm_patch.pipeline.engine import StepRun
from rocm_patch.pipeline.lock import reading
from rocm_patch.pipeline.marks import read_mark

#: The step's output; says whose objects were taken, or null.
FILE = "shared.json"


def take_over(
    run: StepRun,
    others: Sequence[Path],
    *,
    same: Sequence[str],
    tree: str,
    needs: str,
    record: str,
    without: Sequence[str],
    beside: Sequence[str] = (),
) -> None:
    """Copy the folder `tree` of the first of `others` that fits, unless this build has one.

    A work folder fits where its steps `same` have this folder's keys, its `tree` holds the file
    `needs`, and no run works there. `record`, a file that tells what is in `tree`, comes with it;
    names that match `without` do not. Folders `beside` hold what objects are made from: their files
    come too, or their times, where the bytes are here already.
    """
    taken = None
    if not (run.folder / tree).exists():
        for other in others:
            if (other / tree / needs).is_file() and _alike(run.folder, other, same):
                with reading(other) as undisturbed:
                    if undisturbed:
                        for name in beside:
                            _meet(other / name, run.folder / name)
                        _copy(run, other, tree=tree, record=record, without=without)
                        taken = other.name
                        break
    if taken is not None:
        run.reporter.say(f"{run.step.name}: begins with what {taken} has compiled")
    run.facts["taken_from"] = taken or ""
    (run.folder / FILE).write_text(json.dumps({"from": taken}), encoding="utf-8")


def _alike(folder: Path, other: Path, same: Sequence[str]) -> bool:
    keys = [(_key(folder, step), _key(other, step)) for step in same]
    return all(ours is not None and ours == theirs for ours, theirs in keys)


def _key(folder: Path, step: str) -> str | None:
    with contextlib.suppress(ValueError, TypeError, KeyError):  # a damaged mark is none
        mark = read_mark(folder / "state" / f"{step}.mark.json")
        return mark.key if mark is not None else None
    return None


def _copy(run: StepRun, other: Path, *, tree: str, record: str, without: Sequence[str]) -> None:
    """Copy aside, then move into place: after a kill nothing or all is there."""
    shutil.copytree(
        other / tree, run.scratch / "taken", symlinks=True, ignore=shutil.ignore_patterns(*without)
    )
    # Before the tree: a record of files that are not there does no harm, the other way round would.
    shutil.copy2(other / record, run.folder / record)
    (run.scratch / "taken").rename(run.folder / tree)


def _meet(theirs: Path, ours: Path) -> None:
    """Bring files that are not there, and their times to files with the same bytes."""
    for name, _ in walk(theirs) if theirs.is_dir() else ():
        source, place = theirs / name, ours / name
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, place, follow_symlinks=False)
        elif not source.is_symlink() and filecmp.cmp(source, place, shallow=False):
            shutil.copystat(source, place)
