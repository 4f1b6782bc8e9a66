"""Jobs by cores and memory, disk, programs, targets."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from rocm_patch.errors import DiskSpaceError, MissingToolError, UsageError
from rocm_patch.paths import data_root
from rocm_patch.pipeline import machine
from rocm_patch.pipeline.targets import load_target


@pytest.mark.parametrize(
    ("cores", "memory", "jobs"),
    [(2, 24_000_000_000, 2), (64, 24_000_000_000, 10), (8, 4_500_000_000, 2), (4, 100_000_000, 1)],
)
def test_jobs_are_bound_by_memory_as_well_as_cores(cores: int, memory: int, jobs: int) -> None:
    assert machine.default_jobs(cores, memory) == jobs


def test_a_container_s_limits_count(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert machine.cores(tmp_path) == 1
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert machine.cores(tmp_path) == machine.cores(tmp_path / "none")
    (tmp_path / "memory.max").write_text("3000000\n")
    (tmp_path / "memory.current").write_text("1000000\n")
    assert machine.available_memory(tmp_path) == 2_000_000
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.available_memory(tmp_path) > 2_000_000


def test_disk(tmp_path: Path) -> None:
    free = machine.check_disk(tmp_path / "not" / "there", 1)
    assert free > 0
    with pytest.raises(DiskSpaceError) as caught:
        machine.check_disk(tmp_path, free)
    assert f"{free / 1e9:.1f} GB are needed" in caught.value.cause
    assert "ROCM_PATCH_CACHE" in caught.value.step


def test_missing_programs_come_with_one_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(MissingToolError) as caught:
        machine.check_tools(["bwrap", "ninja", "bwrap", "newuidmap"])
    assert caught.value.step == "sudo apt-get install --yes bubblewrap ninja-build uidmap"
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(MissingToolError) as caught:
        machine.check_tools(["no-such-program"])
    assert caught.value.step == "apt-get install --yes no-such-program"
    monkeypatch.undo()
    machine.check_tools(["sh"])


def test_ci_installs_exactly_the_listed_packages() -> None:
    """.ci/run reads the same file with sed."""
    script = (data_root() / ".ci" / "run").read_text()
    expression = re.search(r"sed -n '([^']+)'", script)
    assert expression is not None
    read = subprocess.run(
        ["sed", "-n", expression[1], str(machine.packages_file())], capture_output=True, text=True, check=True
    ).stdout.split()
    named = [
        line.partition(":")[0] for line in machine.packages_file().read_text().splitlines() if line[0] != "#"
    ]
    assert read == named


def test_machine_is_described() -> None:
    assert re.fullmatch(r".+, \d+ cores, \d+\.\d GiB", machine.describe())


def test_targets() -> None:
    target = load_target("gfx1010")
    assert target.profile.is_file()
    assert target.data.is_file()
    with pytest.raises(UsageError, match="there is no target gfx9999") as caught:
        load_target("gfx9999")
    assert "gfx1010" in caught.value.step
