"""Fuzz of what package managers say and keep: apt's simulation, zypper's XML, lists of locks, plugin frames.

Two kinds of property each: what is well formed is understood whole, and nothing whatever ends in another
error than an explained one, or in a value of another type.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import rocm_patch.hooks
from rocm_patch.apply.managers import Changes
from rocm_patch.apply.managers.apt import Apt
from rocm_patch.apply.managers.dnf import Dnf
from rocm_patch.apply.managers.zypper import Zypper
from rocm_patch.apply.rootfs import RootFs

#: No limit of time for one draw: a busy machine is no fault.
calm = settings(deadline=None, max_examples=60)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9+.-]{1,12}", fullmatch=True)
VERSIONS = st.from_regex(r"[0-9][0-9A-Za-z.+~]{0,8}(-[0-9][0-9A-Za-z.+~]{0,5})?", fullmatch=True)
#: name -> (version now, version then): None is not installed.
PAIRS = st.tuples(st.none() | VERSIONS, st.none() | VERSIONS).filter(lambda pair: pair[0] != pair[1])
WISHES = st.dictionaries(NAMES, PAIRS, max_size=6)


def split(wishes: dict[str, tuple[str | None, str | None]]) -> tuple[dict[str, str], Changes]:
    """Give what is installed, and the changes that lead to the versions of then."""
    changes = Changes()
    for name, (now, then) in wishes.items():
        if now is None and then is not None:
            changes.new[name] = then
        elif now is not None and then is None:
            changes.gone[name] = now
        elif now is not None and then is not None:
            changes.other[name] = (now, then)
    return {name: now for name, (now, _) in wishes.items() if now is not None}, changes


def check_types(changes: Changes) -> None:
    texts = [*changes.new.values(), *changes.gone.values()]
    texts += [version for pair in changes.other.values() for version in pair]
    assert all(isinstance(one, str) and one for one in texts), changes


class FakeApt(Apt):
    """Apt whose program says what a test has it say."""

    def __init__(self, now: dict[str, str], said: str) -> None:
        self.now, self.said = now, said

    def installed(self) -> dict[str, str]:
        return self.now

    def _apt(self, *words: str, install: list[str], remove: list[str], quiet: bool = False) -> str:
        del words, install, remove, quiet
        return self.said


class FakeZypper(Zypper):
    """Zypper whose program says what a test has it say."""

    def __init__(self, now: dict[str, str], said: str) -> None:
        self.now, self.said = now, said

    def installed(self) -> dict[str, str]:
        return self.now

    def _zypper(
        self, *words: str, before: tuple[str, ...] = (), good: tuple[int, ...] = (), quiet: bool = False
    ) -> str:
        del words, before, good, quiet
        return self.said


NOISE = ("Reading package lists...", "Conf a (1 Debian:12/stable [all])", "NOTE: Inst is said below", "")
ORIGINS = ("Debian:12/stable [all]", "a:1/x, b:2/y [amd64]", "rocm-patch:debian [amd64]")


@calm
@given(WISHES, st.data())
def test_apt_simulation_is_understood(
    wishes: dict[str, tuple[str | None, str | None]], data: st.DataObject
) -> None:
    now, expected = split(wishes)
    lines = []
    for name, (old, then) in wishes.items():
        lines.append(data.draw(st.sampled_from(NOISE)))
        if old is not None and then is None:
            lines.append(f"{data.draw(st.sampled_from(['Remv', 'Purg']))} {name} [{old}]")
        elif then is not None:
            was = f" [{old}]" if old else ""
            end = data.draw(st.sampled_from(["", " []", " [other:amd64 ]"]))
            lines.append(f"Inst {name}{was} ({then} {data.draw(st.sampled_from(ORIGINS))}){end}")
    assert FakeApt(now, "\n".join(lines)).resolve(["x"], []) == expected


PIECES = st.sampled_from(["Inst", "Remv", "Purg", " ", " a", " b", "[", "]", "(", ")", "1", ":i386", "\n"])


@calm
@given(st.lists(PIECES | st.text(max_size=3), max_size=20).map("".join))
@example("Inst a")
@example("Inst a [1] (")
def test_apt_may_say_anything(text: str) -> None:
    check_types(FakeApt({"a": "1", "b:amd64": "2"}, text).resolve(["x"], []))


PARTS = ("to-upgrade", "to-downgrade", "to-change-arch")


@calm
@given(WISHES, st.data())
def test_zypper_xml_is_understood(
    wishes: dict[str, tuple[str | None, str | None]], data: st.DataObject
) -> None:
    now, expected = split(wishes)
    stream = ET.Element("stream")
    ET.SubElement(stream, "message", type="info").text = data.draw(st.sampled_from(["<to-remove>", "x", ""]))
    summary = ET.SubElement(stream, "install-summary")
    for name, (old, then) in wishes.items():
        kind = data.draw(st.sampled_from(PARTS)) if old and then else "to-remove" if old else "to-install"
        place = summary.find(kind)
        if place is None:
            place = ET.SubElement(summary, kind)
        fields = {"type": "package", "name": name, "edition": then or old or "", "arch": "noarch"}
        if old:
            fields["edition-old"] = old
        fields["summary"] = data.draw(st.sampled_from(["plain", 'a "quoted" <b> & c', "x > y"]))
        ET.SubElement(place, "solvable", fields)
    said = ET.tostring(stream, encoding="unicode")
    assert FakeZypper(now, said).resolve(["x"], []) == expected


XML = st.sampled_from(
    ["<to-install>", "</to-install>", "<to-upgrade>", "</to-upgrade>", "<to-remove>", "</to-remove>",
     "<solvable ", ' name="a"', ' name="b"', ' edition="3"', ' edition=""', "/>", ">", '"', "\n"]
)  # fmt: skip


@calm
@given(st.lists(XML | st.text(max_size=3), max_size=20).map("".join))
@example('<to-upgrade><solvable name="a"/></to-upgrade>')
@example('<to-install><solvable name="c"/></to-install>')
def test_zypper_may_say_anything(text: str) -> None:
    check_types(FakeZypper({"a": "1", "b": "2"}, text).resolve(["x"], []))


@contextmanager
def root_with(path: str, data: bytes) -> Iterator[Any]:
    """Give a context whose root has one file."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, path)
        place.parent.mkdir(parents=True)
        place.write_bytes(data)
        fs = RootFs(Path(folder))
        try:
            yield SimpleNamespace(fs=fs)
        finally:
            fs.close()


class FakeDnf(Dnf):
    """Dnf that need not ask rpm."""

    def installed(self) -> dict[str, str]:
        return {"rocblas": "4.4.0-47", "rocm-core-devel": "1:6.4-2"}


LOCKS = ["rocblas-0:4.4.0-47.*", "!rocblas-0:4-1.*", "# rocblas-0:4-1.*", "rocblas", "-", "--", "a-b-c"]
LOCK_LINES = st.lists(st.sampled_from(LOCKS) | st.text(max_size=8), max_size=6).map(
    lambda lines: "\n".join(lines).encode("utf-8", "surrogatepass")
)


@calm
@given(LOCK_LINES | st.binary(max_size=40))
@example(b"rocm-core-devel-1:6.4-2.*")
def test_versionlock_list_of_any_form(data: bytes) -> None:
    path, names = "etc/dnf/plugins/versionlock.list", {"rocblas", "rocm-core-devel"}
    with root_with(path, data) as ctx:
        dnf = FakeDnf(cast("Any", ctx))
        others = dnf.held() - names
        dnf.hold(sorted(names), on=True)
        assert dnf.held() == names | others
        dnf.hold(sorted(names), on=False)
        assert dnf.held() == others, "what others hold stays held"


@calm
@given(st.binary(max_size=60))
@example(b'name = "rocblas"\n')
def test_dnf5_table_of_any_form(data: bytes) -> None:
    with root_with("etc/dnf/versionlock.toml", data) as ctx:
        held = FakeDnf(cast("Any", ctx)).held()
    assert all(one and f'name = "{one}"'.encode() in data for one in held if "�" not in one)


@calm
@given(st.lists(NAMES, max_size=4), st.sampled_from(["\n", "\n\n", "\ncase_sensitive: on\n\n"]))
def test_zypp_locks_are_understood(names: list[str], between: str) -> None:
    text = "".join(f"type: package\nmatch_type: glob\nsolvable_name: {name}\n{between}" for name in names)
    with root_with("etc/zypp/locks", text.encode()) as ctx:
        assert Zypper(cast("Any", ctx)).held() == set(names)


@calm
@given(st.binary(max_size=60))
@example(b"solvable_name:")
@example(b"solvable_name: \xff")
@example(b"solvable_name:\nversion: 1\n")
def test_zypp_locks_of_any_form(data: bytes) -> None:
    with root_with("etc/zypp/locks", data) as ctx:
        held = Zypper(cast("Any", ctx)).held()
    lines = data.decode("utf-8", "replace").split("\n")
    start = "solvable_name:"
    named = {line.removeprefix(start).strip() for line in lines if line.startswith(start)}
    assert all(one and any(name.startswith(one) for name in named) for one in held)


TEMPLATE = Path(rocm_patch.hooks.__file__).parent / "data/zypper-commit.py.in"
SAID = [b"PLUGINBEGIN\nuserdata:x\n\n", b"COMMITBEGIN\n\n{}", b"COMMITEND\n\n{}", b"PLUGINEND\n\n", b""]
FRAMES = st.lists(
    st.sampled_from(SAID) | st.binary(max_size=20).map(lambda one: one.replace(b"\0", b"0")), max_size=6
)


@calm
@given(FRAMES, st.binary(max_size=8).map(lambda one: one.replace(b"\0", b"0")))
def test_zypper_plugin_answers_any_frames(frames: list[bytes], cut: bytes) -> None:
    """One ACK a frame and nothing else, until libzypp says that it is over or goes away."""
    calls: list[list[str]] = []
    said = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        data = b"".join(frame + b"\0" for frame in frames) + cut
        patch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
        patch.setattr(sys, "stdout", SimpleNamespace(buffer=said))
        patch.setattr(subprocess, "run", lambda argv, **_: calls.append(argv))
        exec(compile(TEMPLATE.read_text(), str(TEMPLATE), "exec"), {"__name__": "__main__"})  # noqa: S102  # ours
    commands = [frame.strip().split(b"\n")[0].strip() for frame in frames]
    end = commands.index(b"PLUGINEND") + 1 if b"PLUGINEND" in commands else len(commands)
    assert said.getvalue() == b"ACK\n\n\0" * end
    assert len(calls) == commands[:end].count(b"COMMITEND")
