"""From a bug report to the beginning of a new catalogue entry: files to fill in, and a test for them.

Knows where the parts of an entry belong in a checkout. Overwrites nothing.
"""

from __future__ import annotations

import datetime as dt
import io
import re
from pathlib import Path

import attrs
import yaml

from rocm_patch.diagnose.candidates import Candidate, rank
from rocm_patch.diagnose.catalogue import Catalogue
from rocm_patch.diagnose.redact import Redactor
from rocm_patch.diagnose.text import read_lines
from rocm_patch.errors import UsageError

#: What the author has to replace; the generated test looks for it.
FILL_IN = "FILL IN"
#: Candidates that become signatures.
SIGNS = 3
_VERSIONS = (
    ("ROCm", re.compile(r"(?i)\brocm[- /v]{0,3}(\d{1,2}\.\d{1,2}(?:\.\d{1,2})?)")),
    ("PyTorch", re.compile(r"(?i)\b(?:torch|pytorch)\D{0,12}(\d\.\d{1,2}\.\d{1,2}(?:\+[a-z0-9.]{1,24})?)")),
    ("kernel", re.compile(r"(?i)\b(?:linux|kernel)\D{0,24}(\d\.\d{1,2}\.\d{1,3}[-\w.]{0,24})")),
    ("target", re.compile(r"\b(gfx(?:8|9|1[0-2])[0-9a-f]{2})\b")),
)
_ID = re.compile(r"^[a-z0-9]+(?:-[a-z0-9]+)+$")
_NUMBERED = re.compile(r"^(\d{4})-")


@attrs.frozen
class Scaffold:
    """What is to be written (path under the checkout -> text), and what it rests on."""

    files: dict[str, str]
    appended: dict[str, str]
    candidates: list[Candidate]
    versions: dict[str, list[str]]
    removed: list[str]

    def write(self, root: Path) -> list[Path]:
        """Write everything, or nothing: UsageError if a file exists already."""
        taken = [name for name in self.files if (root / name).exists()]
        if taken:
            raise UsageError(
                f"{taken[0]} exists already", cause="nothing is overwritten", step="choose another --id"
            )
        for name, text in self.files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
        for name, text in self.appended.items():
            with (root / name).open("a", encoding="utf-8") as stream:
                stream.write(text)
        return [root / name for name in (*self.files, *self.appended)]


def plan(
    raw: bytes,
    *,
    name: str,
    title: str,
    catalogue: Catalogue,
    root: Path,
    series: str | None = None,
) -> Scaffold:
    """Plan the files of a new entry `name` from a report; `series` is COMPONENT/VERSION for a patch stub.

    UsageError if the name is taken or malformed, if the text holds nothing to
    recognise it by, or if there is no such series.
    """
    if not _ID.match(name) or name in catalogue.problems:
        raise UsageError(
            f"{name} cannot be the id of a new problem",
            cause="it is taken"
            if name in catalogue.problems
            else "an id is words in lower case joined by hyphens",
            step="for example: --id rocfft-plan-mismatch",
        )
    redactor = Redactor()
    text = redactor.redact("\n".join(line.text for line in read_lines(io.BytesIO(raw))) + "\n")
    candidates = rank(read_lines(io.BytesIO(text.encode())), catalogue)
    if not candidates:
        raise UsageError(
            "the text holds no line by which the problem could be recognised",
            cause="all of it is generic, too short, or in the catalogue already",
            step="give the lines around the failure; `rocm-patch diagnose FILE` says what is known",
        )
    versions = {
        what: sorted(set(found))
        for what, regex in _VERSIONS
        if (found := [str(one) for one in regex.findall(text)])
    }
    number = max(problem.number for problem in catalogue.problems.values()) + 1
    module = name.replace("-", "_")
    files = {
        f"problems/{name}.yml": _entry(name, title, number, candidates, versions),
        f"tests/unit/diagnose/fixtures/{name}.txt": text,
        f"tests/unit/diagnose/test_problem_{module}.py": _test(name),
    }
    appended = {}
    if series:
        path, patch, line = _patch(root, series, name, title, versions)
        files[path] = patch
        appended[f"patches/{series}/series"] = line
    return Scaffold(files, appended, candidates, versions, redactor.removed())


def _entry(
    name: str, title: str, number: int, candidates: list[Candidate], versions: dict[str, list[str]]
) -> str:
    """Give the entry's YAML: complete in form, with the author's parts marked."""
    said = "; ".join(f"{what} {', '.join(found[:6])}" for what, found in versions.items())
    data = {
        "id": name,
        "number": number,
        "title": title,
        "summary": f"{FILL_IN}: what the user sees, in one sentence",
        "kind": ["config"],
        "affected": f"{FILL_IN}: cards and software; the report names {said or 'none'}",
        "versions": said or FILL_IN,
        "cause": f"{FILL_IN}: why it happens, and how that is known",
        "confidence": "low",
        "distinguish": f"{FILL_IN}: what it could be mistaken for, and how they differ",
        "signatures": [
            {
                "id": f"sign-{count}",
                "strength": "strong" if count == 1 else "medium",
                "means": f"{FILL_IN}: what this line says",
                "all": [one.text],
            }
            for count, one in enumerate(candidates[:SIGNS], 1)
        ],
        "fixes": [{"text": f"{FILL_IN}: the best fix; it keeps the work on the GPU"}],
        "evidence": [f"{FILL_IN}: address of the thread"],
    }
    others = "".join(f"#   {one.score:6.2f}  line {one.line}: {one.text}\n" for one in candidates[SIGNS:])
    head = "# docs/contributing.md describes the keys.\n"
    if others:
        head += f"# Further candidates for signatures, rarest first:\n{others}"
    return head + yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)


def _test(name: str) -> str:
    """Give a test that fails until the entry is filled in, and then holds it to its report."""
    return f'''"""The problem {name} is recognised in the report that it was written from."""

from rocm_patch.diagnose.catalogue import load_catalogue, problems_folder
from tests.unit.diagnose.helpers import diagnose_fixture


def test_entry_is_filled_in() -> None:
    assert "{FILL_IN}" not in (problems_folder() / "{name}.yml").read_text(encoding="utf-8")


def test_report_is_recognised() -> None:
    found = diagnose_fixture("{name}", load_catalogue())
    assert found[0].problem.id == "{name}"
'''


def _patch(
    root: Path, series: str, name: str, title: str, versions: dict[str, list[str]]
) -> tuple[str, str, str]:
    """Give path, header and series line of a patch that is not there yet (the line is a comment)."""
    component, _, version = series.partition("/")
    folder = root / "patches" / component / version
    if not version or not (folder / "series").is_file():
        raise UsageError(
            f"there is no series {series}",
            cause=f"looked for patches/{series}/series",
            step="rocm-patch patch list",
        )
    numbers = [int(match[1]) for path in folder.iterdir() if (match := _NUMBERED.match(path.name))]
    file = f"{max(numbers, default=0) + 1:04d}-{name}.patch"
    said = ", ".join(one for found in versions.values() for one in found)
    header = f"""Description: {title}
 {FILL_IN}: what fails, what the patch changes. Report: {said or "no versions"}
Author: {FILL_IN}
Bug: {FILL_IN}
Forwarded: no
Applied-Upstream: no
Last-Update: {dt.datetime.now(tz=dt.timezone.utc).date().isoformat()}
X-Rocm-Patch-Versions: =={version}
X-Rocm-Patch-Test: tests/unit/diagnose/test_problem_{name.replace("-", "_")}.py::test_report_is_recognised
X-Rocm-Patch-Verified: no (no hunks yet)
---
"""
    line = f"# {file}  (a header without hunks: take the mark away when it has some)\n"
    return f"patches/{series}/{file}", header, line
