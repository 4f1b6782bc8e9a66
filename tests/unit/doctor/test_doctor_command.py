"""`rocm-patch doctor`: its forms, its bundle, the kernel's log by whichever way is open."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.unit.detect import kit

from rocm_patch import commands
from rocm_patch.cli.diagnose import diagnose
from rocm_patch.cli.doctor import doctor
from rocm_patch.detect.fixture import save
from rocm_patch.detect.place import Place
from rocm_patch.detect.tree import Tree
from rocm_patch.doctor.gather import gather


def _run(*words: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(doctor, list(words), input=stdin, catch_exceptions=False)


@pytest.fixture
def refused(tmp_path: Path) -> Path:
    """Give a saved machine whose user may not open /dev/kfd."""
    tree, data = kit.build("rx5600xt-not-in-render", tmp_path / "tree")
    report = gather(Place(tree, {}, data.get("user"), "x")).report
    file = tmp_path / "machine.yml"
    # A name that the machine's own files do not tell is hidden as well.
    file.write_text(save(tree, report, {"VIRTUAL_ENV": "/home/grace/venv"}), "utf-8")
    return file


def test_json_has_diagnoses_form(refused: Path) -> None:
    document = json.loads(_run("--root", str(refused), "--json").output)
    (problem,) = document["problems"]
    other = CliRunner().invoke(
        diagnose, ["--json", "-"], input=b"Unable to open /dev/kfd read-write: Permission denied"
    )
    assert set(json.loads(other.output)["problems"][0]) | {"sources"} == set(problem)
    assert problem["id"] == "kfd-permission-denied"
    assert problem["sources"] == ["machine"]
    assert "render" in problem["evidence"][0]
    assert problem["fixes"][0].startswith("Join the groups")
    assert document["gfx"] == ["gfx1010"]


def test_words_name_problem_evidence_and_fix(refused: Path) -> None:
    output = _run("--root", str(refused)).output
    for part in ("kfd-permission-denied", "/dev/kfd has mode 0660", "sudo usermod -aG render,video"):
        assert part in output


def test_nothing_is_said_honestly(tmp_path: Path) -> None:
    result = _run("--root", str(tmp_path))
    assert result.exit_code == 0
    assert "nothing: no known problem shows on this machine" in result.output
    assert json.loads(_run("--root", str(tmp_path), "--json").output)["problems"] == []


def test_exit_code_on_request(refused: Path, tmp_path: Path) -> None:
    assert _run("--root", str(refused)).exit_code == 0
    assert _run("--root", str(refused), "--exit-code").exit_code == 1
    (tmp_path / "empty").mkdir()
    assert _run("--root", str(tmp_path / "empty"), "--exit-code").exit_code == 0


def test_a_log_from_standard_input(refused: Path) -> None:
    text = b"[ 5.0] kfd kfd: amdgpu: skipped device 1002:731f, PCI rejects atomics 730<0\n"
    found = json.loads(_run("--root", str(refused), "--log", "-", "--json", stdin=text).output)["problems"]
    assert [one["id"] for one in found] == ["kfd-permission-denied", "pcie-atomics-unsupported"]
    assert found[1]["sources"] == ["standard input"]


def test_a_tree_gives_its_own_logs(tmp_path: Path) -> None:
    (tmp_path / "var/log").mkdir(parents=True)
    (tmp_path / "var/log/kern.log").write_text("amdgpu 0000:03:00.0: amdgpu: GPU reset begin!\n")
    (tmp_path / "var/lib/dkms/amdgpu/6.8.5/build").mkdir(parents=True)
    (tmp_path / "var/lib/dkms/amdgpu/6.8.5/build/make.log").write_text(
        "Bad return status for module build on kernel: 6.11.0-17-generic (x86_64)\n"
        "/var/lib/dkms/amdgpu/6.8.5/build/amd/amdgpu/amdgpu_trace.h: error: macro __assign_str\n"
    )
    found = json.loads(_run("--root", str(tmp_path), "--json").output)["problems"]
    assert {one["id"] for one in found} == {"gpu-hang-reset", "amdgpu-dkms-build-failure"}


def test_report_is_anonymised(refused: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        "Nov 27 10:00:00 adas-box kernel: amdgpu 0000:03:00.0: amdgpu: GPU reset begin!\n"
        "Nov 27 10:00:01 adas-box kernel: usb 1-1: SerialNumber: ABC123456\n"
        "Nov 27 10:00:02 adas-box kernel: e1000e eth0: 12:34:56:78:9a:bc\n"
    )
    bundle = tmp_path / "bundle"
    result = _run("--root", str(refused), "--log", str(log), "--report", str(bundle))
    assert result.exit_code == 0
    assert {path.name for path in bundle.iterdir()} == {
        "issue.md",
        "text.txt",
        "diagnosis.json",
        "machine.yml",
    }
    whole = "".join(path.read_text("utf-8") for path in bundle.iterdir())
    for secret in ("adas-box", "ABC123456", "12:34:56:78:9a:bc", "/home/ada", "grace"):
        assert secret not in whole
    entries = json.loads((bundle / "diagnosis.json").read_text("utf-8"))["problems"]
    assert {one["id"] for one in entries} == {"kfd-permission-denied", "gpu-hang-reset"}
    assert all(one["evidence"] for one in entries)
    issue = (bundle / "issue.md").read_text("utf-8")
    assert "/dev/kfd has mode 0660" in issue
    assert "- GPU: AMD Radeon RX 5600 XT (gfx1010)" in issue
    assert "fill in" not in issue
    assert "rocm-patch doctor --report" in issue
    again = _run("--root", str(bundle / "machine.yml"), "--json")
    assert json.loads(again.output)["problems"][0]["id"] == "kfd-permission-denied"


def _answers(monkeypatch: pytest.MonkeyPatch, answers: dict[str, tuple[int, bytes, bytes]]) -> None:
    def run(argv: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
        del options
        if argv[0] not in answers:
            raise FileNotFoundError(argv[0])
        code, output, errors = answers[argv[0]]
        return subprocess.CompletedProcess(argv, code, output, errors)

    monkeypatch.setattr(commands, "run", run)


DENIED = (1, b"", b"dmesg: read kernel buffer failed: Operation not permitted\n")


@pytest.mark.parametrize(
    ("answers", "source"),
    [
        ({"dmesg": (0, b"[ 1.0] x\n", b"")}, "kernel log (dmesg)"),
        ({"dmesg": DENIED, "journalctl": (0, b"[ 1.0] y\n", b"")}, "kernel log (journalctl)"),
        ({"dmesg": DENIED, "journalctl": (0, b"", b"")}, None),
        ({}, None),
    ],
)
def test_the_kernels_log_by_whichever_way_is_open(
    monkeypatch: pytest.MonkeyPatch, answers: dict[str, tuple[int, bytes, bytes]], source: str | None
) -> None:
    _answers(monkeypatch, answers)
    gathered = gather(Place(Tree(Path("/")), {}, None, "/"))
    logs = [text.name for text in gathered.texts if text.name.startswith("kernel log")]
    assert logs == ([source] if source else [])
    unread = [note for note in gathered.notes if "kernel's log was not read" in note]
    assert len(unread) == (0 if source else 1)
    if answers.get("dmesg") == DENIED and source is None:
        assert "Operation not permitted" in unread[0]
