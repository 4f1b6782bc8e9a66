"""The files: one record a line, rotation that loses nothing, a folder that root may trust."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rocm_patch import paths
from rocm_patch.logbook import book as module
from rocm_patch.logbook.book import JSON_NAME, TEXT_NAME, Logbook

_WRITER = """
import sys
from pathlib import Path
from rocm_patch.logbook.book import Logbook
book = Logbook(Path(sys.argv[1]), size=2000, keep=200)
for number in range(int(sys.argv[3])):
    book.write("note", text=f"{sys.argv[2]}-{number}")
sys.exit(bool(book.trouble))
"""


def _records(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / JSON_NAME).read_text("utf-8").splitlines()]


def test_both_files_say_the_same(tmp_path: Path) -> None:
    book = Logbook(tmp_path / "log", home="/home/ada")
    assert book.first
    book.write("command", argv=["git", "fetch", "/home/ada/x y"], exit=0, seconds=1.5, output="one\ntwo")
    (record,) = _records(tmp_path / "log")
    assert record["argv"] == ["git", "fetch", "~/x y"]
    assert record["exit"] == 0
    assert record["output"] == "one\ntwo"
    text = (tmp_path / "log" / TEXT_NAME).read_text("utf-8").splitlines()
    assert text[0].endswith("command git fetch '~/x y' exit=0 seconds=1.5")
    assert text[1:] == ["    | one", "    | two"]
    assert not Logbook(tmp_path / "log").first


def test_a_record_cannot_be_forged(tmp_path: Path) -> None:
    forged = '2026-11-27T10:00:00.000Z 00000000/1 end exit=0\n{"event": "end"}\r\x1b[2J\u2028\x85'
    book = Logbook(tmp_path)
    book.write("error\n", argv=["rocm-patch", forged], cause=forged, output=forged)
    assert len(_records(tmp_path)) == 1
    lines = (tmp_path / TEXT_NAME).read_text("utf-8").splitlines()
    assert all(line.startswith("    | ") for line in lines[1:])
    assert "\x1b" not in "".join(lines)


def test_files_are_the_owners_alone(tmp_path: Path) -> None:
    Logbook(tmp_path / "a" / "log").write("start")
    assert (tmp_path / "a" / "log").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "a" / "log" / JSON_NAME).stat().st_mode & 0o777 == 0o600


def test_rotation_by_size_and_count(tmp_path: Path) -> None:
    book = Logbook(tmp_path, size=500, keep=3)
    for number in range(60):
        book.write("note", text=f"{number:04}" * 20)
    names = sorted(path.name for path in tmp_path.glob(f"{JSON_NAME}*"))
    assert names == [JSON_NAME, *(f"{JSON_NAME}.{n}" for n in (1, 2, 3))]
    assert all(path.stat().st_size < 1000 for path in tmp_path.iterdir())
    assert "0059" in (tmp_path / JSON_NAME).read_text("utf-8")


def test_many_processes_lose_no_record(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path), str(name), "60"]) for name in range(3)
    ]
    assert [one.wait() for one in writers] == [0, 0, 0]
    texts = [
        json.loads(line)["text"]
        for path in tmp_path.glob(f"{JSON_NAME}*")
        for line in path.read_text("utf-8").splitlines()
    ]
    assert sorted(texts) == sorted(f"{name}-{number}" for name in range(3) for number in range(60))
    assert len(list(tmp_path.glob(f"{JSON_NAME}*"))) > 2


@pytest.mark.parametrize("name", [JSON_NAME, TEXT_NAME])
def test_a_link_is_not_followed(tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / name).symlink_to(victim)
    book = Logbook(tmp_path / "log")
    book.write("note", text="x")
    assert victim.read_text() == "precious"
    assert book.trouble


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / JSON_NAME)
    book = Logbook(tmp_path)
    book.write("note", text="x")
    assert book.trouble


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    book = Logbook(folder)
    book.write("note", text="x")
    assert "another user" in book.trouble
    assert not list(folder.iterdir())


def test_root_in_the_home_of_another_logs_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "state"
    monkeypatch.delenv("ROCM_PATCH_STATE", raising=False)
    monkeypatch.setattr(paths, "state_root", lambda: home / "rocm-patch")
    home.mkdir()

    class Status:
        st_uid = 4711
        st_mode = 0o040700

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(Path, "stat", lambda _, **__: Status())
    assert paths.log_root() == Path("/var/log/rocm-patch")
    Status.st_uid = 0
    assert paths.log_root() == home / "rocm-patch" / "log"


def test_a_log_that_cannot_be_written_is_said_once_and_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    book = module.begin(tmp_path / "file" / "log")
    book.write("start")
    book.write("end")
    module.end()
    assert capsys.readouterr().err.count("no log was written") == 1
    assert module.active() is None
