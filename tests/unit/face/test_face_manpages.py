"""Manual pages: one a command, nothing that roff would take for its own."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from rocm_patch.cli import COMMANDS, root
from rocm_patch.face.manpages import escape, exit_codes, pages
from rocm_patch.paths import data_root


def test_a_page_for_every_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1764000000")
    result = CliRunner().invoke(root, ["man", str(tmp_path)], catch_exceptions=False)
    names = {"rocm-patch.1", *(f"rocm-patch-{name}.1" for name in COMMANDS)}
    assert {path.name for path in tmp_path.iterdir()} == names == set(result.output.split())
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    CliRunner().invoke(root, ["man", str(tmp_path)], catch_exceptions=False)
    assert first == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    detect = (tmp_path / "rocm-patch-detect.1").read_text("utf-8")
    assert ".B \\-\\-root" in detect
    assert "2025-11-24" in detect
    sysroot = (tmp_path / "rocm-patch-sysroot.1").read_text("utf-8")
    assert ".SS enter" in sysroot


def test_what_roff_acts_on_is_escaped() -> None:
    assert escape(".TH x\n'q\\-") == "\\&.TH x\n\\&'q\\e\\-"

    @click.group()
    def tool() -> None:
        """Do it.

        \b
        .as it
            stands
        """

    page = pages(tool, version="1", date="2026-01-01")["rocm-patch.1"]
    assert ".nf\n\\&.as it\nstands\n.fi" in page


def test_exit_codes_are_those_of_the_document() -> None:
    document = (data_root() / "docs" / "exit-codes.md").read_text("utf-8")
    rows = [line.split("|")[1] for line in document.splitlines() if re.match(r"\| [0-9]", line)]
    documented = {int(number) for row in rows for number in row.split(",")}
    assert documented == {code for code, _ in exit_codes()}
