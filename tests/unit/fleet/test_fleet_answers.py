"""Another machine's answer: whatever it is, it becomes a result or a reason, and steers no terminal."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rich.console import Console

from rocm_patch.detect.model import Gpu, Package, Report
from rocm_patch.diagnose.catalogue import load_catalogue
from rocm_patch.fleet.answers import Host, checked_up, ran, received, state_of
from rocm_patch.fleet.ssh import Answer
from rocm_patch.fleet.table import show

EVIL = "\x1b[2J\x1b]0;x\x07\u202e\r"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = ("report", "texts", "notes", "machine", "status")


def _answer(data: Any) -> Answer:
    return Answer("h", 0, json.dumps(data).encode(), "", 0.1)


def _shown(command: str, host: Host) -> str:
    console = Console(file=io.StringIO(), width=200, force_terminal=False)
    show(command, [host], console)
    written = console.file
    assert isinstance(written, io.StringIO)
    return written.getvalue()


def _document(**changes: Any) -> dict[str, Any]:
    return {"report": asdict(Report()), "texts": [], "notes": [], "machine": "", "status": None} | changes


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=200) | st.text(max_size=50).map(str.encode))
@example(b"")
@example(b"\xff\xfe")
@example(b"null")
def test_any_bytes_are_a_trouble_and_no_exception(data: bytes) -> None:
    host = received(Answer("h", 0, data, "", 0.1))
    assert host.trouble
    assert "\x1b" not in host.trouble


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.fixed_dictionaries(dict.fromkeys(KEYS, JSON)), st.sampled_from(KEYS))
def test_any_document_is_a_result_or_a_trouble(data: dict[str, Any], right: str) -> None:
    host = received(_answer(data | {right: _document()[right]}))
    assert host.trouble or host.gathered
    state_of(host)


def test_a_right_document_is_taken() -> None:
    host = received(_answer(_document(report=asdict(Report(gpus=[Gpu(vendor="amd", gfx="gfx1010")])))))
    assert host.trouble == ""
    assert host.result["gpus"][0]["gfx"] == "gfx1010"


@pytest.mark.parametrize("command", ["detect", "doctor"])
def test_nothing_that_it_sent_steers_a_terminal(command: str) -> None:
    report = Report(gpus=[Gpu(vendor="amd", name=EVIL, gfx=f"gfx{EVIL}", pci_address=EVIL)])
    report.packages = [Package(f"rocblas{EVIL}", EVIL, "dpkg", "amd")]
    report.os.id = report.os.name = EVIL
    text = {"name": EVIL, "text": f"{EVIL} amdgpu: GPU reset begin! {EVIL}"}
    host = received(_answer(_document(report=asdict(report), texts=[text], notes=[EVIL])))
    assert not host.trouble
    checked_up(host, load_catalogue())
    whole = _shown(command, host) + json.dumps(host.document(), ensure_ascii=False)
    assert not any(char in whole for char in "\x1b\x07\u202e\r")
    assert host.checkup is not None
    assert "gpu-hang-reset" in [one.problem.id for one in host.checkup.diagnosis.findings]


def test_a_state_inside_the_document_is_made_harmless_too() -> None:
    state = {"known": True, "applied": [{"rules": [EVIL, "kfd-udev"]}], "verified": [], "failures": EVIL}
    host = received(_answer(_document(status=json.dumps(state))))
    state_of(host)
    shown = _shown("status", host)
    assert "kfd-udev" in shown
    assert not any(char in shown for char in "\x1b\x07\u202e\r")
    damaged = received(_answer(_document(status="{")))
    state_of(damaged)
    assert "damaged" in damaged.trouble


def test_words_of_a_program_there_are_made_harmless() -> None:
    host = ran(Answer("h", 0, f"done {EVIL}\n".encode(), "", 0.1))
    assert host.result == "done "
    failed = ran(Answer("h", 3, b"", f"error: {EVIL}no room", 0.1))
    assert failed.trouble == "exit code 3: error:  / no room"
