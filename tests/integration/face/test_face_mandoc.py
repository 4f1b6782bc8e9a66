"""The manual pages through mandoc, which warns of anything that a reader of pages would stumble over."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from click.testing import CliRunner

from rocm_patch.cli import root


def test_mandoc_has_no_remark_and_shows_the_pages(tmp_path: Path) -> None:
    mandoc = shutil.which("mandoc")
    assert mandoc, "mandoc is missing: apt-get install mandoc (build/debian-packages.txt)"
    assert CliRunner().invoke(root, ["man", str(tmp_path)], catch_exceptions=False).exit_code == 0
    pages = sorted(str(path) for path in tmp_path.iterdir())
    done = subprocess.run(
        [mandoc, "-T", "lint", "-W", "warning", *pages], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    shown = subprocess.run(
        [mandoc, "-T", "utf8", str(tmp_path / "rocm-patch-detect.1")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    plain = "".join(
        char for number, char in enumerate(shown) if shown[number + 1 : number + 2] != "\b" and char != "\b"
    )
    assert "--root" in plain
    assert "Runs nothing of it" in " ".join(plain.split())
