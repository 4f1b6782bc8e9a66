"""What a hook calls runs as root after each update: only what root alone can write is taken for it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from rocm_patch.apply.rootfs import RootFs
from rocm_patch.errors import CheckError
from rocm_patch.hooks import command
from rocm_patch.hooks.command import command_for, running, unfit

PROGRAM = "/opt/rocm-patch/bin/rocm-patch"


def put(root: Path, path: str, text: str = "x\n", mode: int = 0o755) -> Path:
    place = root / path[1:]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    place.chmod(mode)
    return place


@pytest.fixture
def fs(tmp_path: Path) -> RootFs:
    put(tmp_path, "/usr/bin/python3.13")
    put(tmp_path, PROGRAM, "#!/opt/rocm-patch/bin/python3\nimport x\n")
    (tmp_path / "opt/rocm-patch/bin/python3").symlink_to("/usr/bin/python3.13")
    return RootFs(tmp_path)


def test_a_program_of_roots_is_fit(fs: RootFs) -> None:
    assert unfit(fs, PROGRAM) is None
    assert command_for(fs, PROGRAM) == PROGRAM
    assert command_for(fs, None) == PROGRAM, "in another root, where it usually is"


@pytest.mark.parametrize(
    ("path", "mode", "said"),
    [
        ("opt/rocm-patch/bin/rocm-patch", 0o644, "is not executable"),
        ("opt/rocm-patch/bin/rocm-patch", 0o775, "mode 0775, so that others can write it"),
        ("opt/rocm-patch", 0o777, "/opt/rocm-patch has mode 0777"),
        ("usr/bin/python3.13", 0o757, "/usr/bin/python3.13 has mode 0757"),
    ],
)
def test_what_others_can_write_is_refused(fs: RootFs, path: str, mode: int, said: str) -> None:
    (fs.root / path).chmod(mode)
    assert said in (unfit(fs, PROGRAM) or "")
    with pytest.raises(CheckError, match=f"a hook cannot call {PROGRAM}") as error:
        command_for(fs, PROGRAM)
    assert error.value.exit_code == 112
    assert "sudo python3 -m venv" in str(error.value)


def test_what_is_not_there_is_refused(fs: RootFs) -> None:
    assert unfit(fs, "/usr/bin/rocm-patch") == "/usr/bin/rocm-patch is not there"
    assert unfit(fs, "/usr/bin") == "/usr/bin is no file"
    (fs.root / "usr/bin/python3.13").unlink()
    assert unfit(fs, PROGRAM) == "/opt/rocm-patch/bin/python3 is not there", "its interpreter counts"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_belongs_to_a_user_is_refused(fs: RootFs) -> None:
    """As when rocm-patch lies in a virtual environment of somebody's home, or is linked from there."""
    os.chown(fs.root / "opt/rocm-patch/bin", 1000, 1000)
    assert unfit(fs, PROGRAM) == "/opt/rocm-patch/bin belongs to user 1000, who could change it"
    os.chown(fs.root / "opt/rocm-patch/bin", 0, 0)
    link = fs.root / "home/ada/rocm-patch"
    link.parent.mkdir(parents=True)
    link.symlink_to(PROGRAM)
    os.chown(link.parent, 1000, 1000)
    assert "/home/ada belongs to user 1000" in (unfit(fs, "/home/ada/rocm-patch") or "")
    os.chown(link.parent, 0, 0)
    os.chown(link, 1000, 1000, follow_symlinks=False)
    assert "/home/ada/rocm-patch belongs to user 1000" in (unfit(fs, "/home/ada/rocm-patch") or "")


def test_the_running_one_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = put(tmp_path, "/bin/rocm-patch")
    (tmp_path / "local").mkdir()
    (tmp_path / "local/rocm-patch").symlink_to(mine)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "local/rocm-patch")])
    assert running() == str(mine), "not the link, which may lie where a group can write"
    monkeypatch.setattr(sys, "argv", ["/x/rocm_patch/__main__.py"])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin/python3"))
    assert running() == str(mine), "python -m rocm_patch, beside it"
    mine.unlink()
    assert running() is None
    live = RootFs(Path("/"))
    with pytest.raises(CheckError, match="no rocm-patch that a hook could call is running"):
        command_for(live, None)
    mine = put(tmp_path, "/bin/rocm-patch", mode=0o766)
    monkeypatch.setattr(command, "running", lambda: str(mine))
    with pytest.raises(CheckError, match="others can write it"):
        command_for(live, None)
    live.close()
