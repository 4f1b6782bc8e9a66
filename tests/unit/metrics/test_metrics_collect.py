"""What is measured: the machine, the kernel's GPU errors, what was applied, the last runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.unit.detect import kit
from tests.unit.metrics.exposition import Family, parse

from rocm_patch.cli import metrics as command
from rocm_patch.detect.model import Report
from rocm_patch.diagnose.catalogue import load_catalogue
from rocm_patch.doctor.gather import Gathered, Text
from rocm_patch.face.state import applied_in_words
from rocm_patch.logbook.book import JSON_NAME, Logbook
from rocm_patch.machine_state import Applied, MachineState
from rocm_patch.metrics.collect import collect
from rocm_patch.metrics.textfile import text


def _families(gathered: Gathered, log: Path, state: MachineState | None = None) -> dict[str, Family]:
    return parse(text(collect(gathered, load_catalogue(), log, state or MachineState())))


def _value(families: dict[str, Family], metric: str, /, **labels: str) -> float:
    return families[metric].samples[tuple(sorted(labels.items()))]


def test_the_machine(tmp_path: Path) -> None:
    families = _families(Gathered(kit.report("rx5600xt-not-in-render", tmp_path)), tmp_path)
    assert _value(families, "rocm_patch_kfd_usable") == 0
    assert _value(families, "rocm_patch_fault", name="kfd-refused") == 1
    assert _value(families, "rocm_patch_fault", name="module-not-loaded") == 0
    assert _value(families, "rocm_patch_driver_loaded") == 1
    (labels,) = families["rocm_patch_gpu_info"].samples
    assert dict(labels)["gfx"] == "gfx1010"
    assert _value(families, "rocm_patch_kernel_log_readable") == 0
    assert "rocm_patch_gpu_errors_total" not in families


def test_each_gpu_error_counts_once(tmp_path: Path) -> None:
    log = (
        "[ 1.0] amdgpu 0000:03:00.0: amdgpu: [gfxhub] page fault (src_id:0 ring:24 vmid:8 pasid:32770)\n"
        "[ 1.1] amdgpu 0000:03:00.0: amdgpu: GCVM_L2_PROTECTION_FAULT_STATUS:0x00801031\n"
        "[ 2.0] [drm:amdgpu_job_timedout [amdgpu]] *ERROR* ring gfx_0.0.0 timeout, signaled seq=1\n"
        "[ 2.1] amdgpu 0000:03:00.0: amdgpu: GPU reset begin!\n"
        "[ 3.0] usb 1-1: reset high-speed USB device\n"
    )
    families = _families(Gathered(Report(), [Text("kernel log (dmesg)", log)]), tmp_path)
    assert _value(families, "rocm_patch_gpu_errors_total", problem="gpu-memory-access-fault") == 1
    assert _value(families, "rocm_patch_gpu_errors_total", problem="gpu-hang-reset") == 2
    assert families["rocm_patch_gpu_errors_total"].kind == "counter"


def test_what_was_applied(tmp_path: Path) -> None:
    state = MachineState(
        applied=[
            Applied(1, "apply", ["kfd-udev", "torch-build"], 100.0), Applied(2, "apply", ["kfd-udev"], 200.0),
        ], failures=2,
        durations=[1.5, 2.0], verified=False, verified_at=300.0, findings=["x"], unfinished=[7],
        notices=["n"],
    )  # fmt: skip
    families = _families(Gathered(Report()), tmp_path, state)
    expected = {
        "state_known": 1, "applied_rules": 2, "applied_timestamp_seconds": 200, "transactions_total": 2,
        "transaction_seconds_total": 3.5, "failures_total": 2,
        "unfinished_transactions": 1, "open_notices": 1,
        "verified": 0, "verified_timestamp_seconds": 300, "verification_findings": 1, "pending": 0,
    }  # fmt: skip
    assert {name: _value(families, f"rocm_patch_{name}") for name in expected} == expected


def test_a_fresh_machine_and_an_unknown_one(tmp_path: Path) -> None:
    fresh = _families(Gathered(Report()), tmp_path, MachineState())
    assert _value(fresh, "rocm_patch_applied_rules") == 0
    assert "rocm_patch_verified" not in fresh
    unknown = _families(Gathered(Report()), tmp_path, MachineState(unknown="only root may read it"))
    assert _value(unknown, "rocm_patch_state_known") == 0
    assert "rocm_patch_applied_rules" not in unknown


def test_the_last_runs_by_the_log(tmp_path: Path) -> None:
    for code, seconds in ((6, 9.0), (0, 1.25)):
        book = Logbook(tmp_path)
        book.write("start", argv=["rocm-patch", "--host", "x", "doctor", "--json"])
        book.write("end", exit=code, seconds=seconds)
    strange = Logbook(tmp_path)
    strange.write("start", argv=["rocm-patch", "rm -rf"])
    strange.write("end", exit=2, seconds=0)
    with (tmp_path / JSON_NAME).open("a") as stream:
        stream.write('no json\n[1]\n{"event": "end", "run": "x"}\n')
    families = _families(Gathered(Report()), tmp_path)
    assert families["rocm_patch_run_exit_code"].samples == {(("command", "doctor"),): 0}
    assert _value(families, "rocm_patch_run_seconds", command="doctor") == 1.25


def test_the_command_writes_file_or_output(tmp_path: Path) -> None:
    place = tmp_path / "x.prom"
    written_by = CliRunner().invoke(command.metrics, ["--output", str(place)], catch_exceptions=False)
    assert written_by.exit_code == 0
    written = parse(place.read_text("utf-8"))
    assert {"rocm_patch_info", "rocm_patch_fault", "rocm_patch_collected_timestamp_seconds"} <= set(written)
    printed = parse(CliRunner().invoke(command.metrics, [], catch_exceptions=False).output)
    assert set(printed) == set(written)


def test_the_command_tells_what_was_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    state = MachineState(applied=[Applied(1, "apply", ["kfd-udev"], 100.0)])
    monkeypatch.setattr(command, "machine_state", lambda: state)
    printed = parse(CliRunner().invoke(command.metrics, [], catch_exceptions=False).output)
    assert _value(printed, "rocm_patch_applied_rules") == 1


def test_what_was_applied_in_words() -> None:
    state = MachineState(applied=[Applied(1, "apply", ["kfd-udev"], 1.0)], verified=False)
    assert applied_in_words(state) == "kfd-udev; changed since: rocm-patch verify"
    assert applied_in_words(MachineState()) == "nothing by rocm-patch"
    assert "only root" in applied_in_words(MachineState(unknown="only root may read it"))
