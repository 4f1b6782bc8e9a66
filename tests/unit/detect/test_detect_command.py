"""The command: its output, its schema, what it saves, what it may run, what it imports."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from tests.unit.detect import kit

import rocm_patch
from rocm_patch.cli.detect import detect
from rocm_patch.detect import code
from rocm_patch.detect.fixture import load, save, unpack
from rocm_patch.detect.machine import examine
from rocm_patch.detect.model import Library
from rocm_patch.detect.schema import text
from rocm_patch.detect.tree import Tree
from rocm_patch.errors import UsageError
from rocm_patch.paths import data_root

_MACHINE = "rx5600xt-ubuntu-22.04-amd-6.4"


def _schema() -> dict[str, Any]:
    data = json.loads((data_root() / "schemas" / "detect.schema.json").read_text("utf-8"))
    assert isinstance(data, dict)
    return data


def _fits(value: Any, schema: dict[str, Any], whole: dict[str, Any]) -> bool:
    """Check what this schema uses of JSON Schema."""
    if "$ref" in schema:
        schema = whole["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
    if "anyOf" in schema:
        return any(_fits(value, one, whole) for one in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return value in schema.get("enum", [schema.get("const")])
    kind = schema["type"]
    if kind == "array":
        return isinstance(value, list) and all(_fits(one, schema["items"], whole) for one in value)
    if kind == "object" and "properties" in schema:
        parts = schema["properties"]
        return set(value) == set(parts) and all(_fits(value[name], parts[name], whole) for name in parts)
    if kind == "object":
        return all(_fits(one, schema["additionalProperties"], whole) for one in value.values())
    types = {"string": str, "integer": int, "boolean": bool, "null": type(None)}
    return isinstance(value, types[kind]) and (kind != "integer" or not isinstance(value, bool))


def test_the_published_schema_is_current() -> None:
    assert (data_root() / "schemas" / "detect.schema.json").read_text("utf-8") == text()


@pytest.mark.parametrize("name", [_MACHINE, "mi300x-x8", "nvidia-only", "rx5700xt-wsl2"])
def test_json_fits_the_schema_and_runs_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise AssertionError("a program was started")

    kit.build(name, tmp_path)
    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(os, "system", refuse)
    done = CliRunner().invoke(detect, ["--root", str(tmp_path), "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    report = json.loads(done.output)
    assert _fits(report, _schema(), _schema())
    report["schema_version"] = 2
    assert not _fits(report, _schema(), _schema())


def test_table(tmp_path: Path) -> None:
    kit.build(_MACHINE, tmp_path)
    done = CliRunner().invoke(detect, ["--root", str(tmp_path)], catch_exceptions=False)
    for word in (
        "AMD Radeon RX 5600 XT",
        "gfx1010",
        "6.0 GiB",
        "6.4.0-47",
        "2.6.0+rocm6.4",
        "usable",
        "Ubuntu 22.04.5",
    ):
        assert word in done.output
    assert "\x1b" not in done.output


def test_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSA_OVERRIDE_GFX_VERSION", "10.3.0")
    done = CliRunner().invoke(detect, ["--json"], catch_exceptions=False)
    report = json.loads(done.output)
    assert report["root"] == "/"
    assert report["environment"]["HSA_OVERRIDE_GFX_VERSION"] == "10.3.0"
    assert report["kernel"]["release"] == os.uname().release


@pytest.mark.parametrize("name", kit.names())
def test_a_saved_machine_says_the_same(name: str, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    tree, data = kit.build(name, tmp_path / "one")
    environment = data.get("environment", {})
    first = asdict(examine(tree, environment=environment))
    place = tmp_path / "saved.yml"
    place.write_text(save(tree, examine(tree, environment=environment), environment), "utf-8")
    again = load(place)
    second = asdict(
        examine(
            unpack(again, tmp_path / "two", place), environment=again["environment"], user=again.get("user")
        )
    )
    assert "ada" not in place.read_text("utf-8").replace("radar", "")
    for part in (
        "os",
        "kernel",
        "driver",
        "firmware",
        "rocm",
        "packages",
        "repositories",
        "kernel_folders",
        "environment",
        "notes",
    ):
        if part == "kernel":
            first[part].pop("command_line")
            second[part].pop("command_line")
        assert second[part] == first[part], part
    for key in ("name", "gfx", "kind", "vram_bytes", "pcie_atomics", "xnack", "driver"):
        assert [gpu[key] for gpu in second["gpus"]] == [gpu[key] for gpu in first["gpus"]], key
    assert second["access"]["devices"] == first["access"]["devices"]
    assert [(one["name"], one["version"]) for one in second["libraries"]] == [
        (one["name"], one["version"]) for one in first["libraries"]
    ]
    assert [one["version"] for one in second["wheels"]] == [one["version"] for one in first["wheels"]]


def test_root_stays_root(tmp_path: Path) -> None:
    tree, _ = kit.build("rx5600xt-not-in-render", tmp_path)
    report = examine(tree, user="root")
    assert {one.usable for one in report.access.devices} == {True}
    assert yaml.safe_load(save(tree, report, {}))["user"] == "root"


def test_what_is_saved_names_nobody(tmp_path: Path) -> None:
    tree, _ = kit.build("rx5600xt-two-cards", tmp_path)
    (tmp_path / "proc/cmdline").write_text(
        "root=UUID=6a1e2f30-0000-4000-8000-0123456789ab host=ada-pc amdgpu.runpm=0\n"
    )
    (tmp_path / "etc/environment").write_text("TOKEN=secret\nROCM_PATH=/home/ada/rocm\n")
    (tmp_path / "home" / "ada").mkdir(parents=True)
    saved = yaml.safe_load(save(tree, examine(tree), {"HIP_PATH": "/home/ada/x", "PASSWORD": "secret"}))
    assert saved["environment"] == {"HIP_PATH": "/home/user/x"}
    assert saved["files"]["/proc/cmdline"] == "amdgpu.runpm=0\n"
    assert saved["files"]["/etc/environment"] == "ROCM_PATH=/home/user/rocm\n"
    everything = str(saved)
    for word in ("11111", "22222", "secret", "ada", "Ada"):
        assert word not in everything


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "files: 3",
        "files: {/../../x: y}",
        "files: {'': y}",
        "binary: {/x: '%'}",
        "owners: {/x: 3}",
        "a: [",
        "rpm: [[a]]",
    ],
)
def test_files_that_are_no_machine(content: str, tmp_path: Path) -> None:
    place = tmp_path / "m.yml"
    place.write_text(content)
    (tmp_path / "t").mkdir()
    with pytest.raises(UsageError, match="is no saved machine"):
        unpack(load(place), tmp_path / "t", place)


def test_saved_links_cannot_lead_writes_out(tmp_path: Path) -> None:
    place = tmp_path / "m.yml"
    place.write_text("links: {/a: ..}\nfiles: {/a/evil: x}\n")
    (tmp_path / "t").mkdir()
    with pytest.raises(UsageError):
        unpack(load(place), tmp_path / "t", place)
    assert not (tmp_path / "evil").exists()


def test_it_is_quick_and_loads_no_heavy_library(tmp_path: Path) -> None:
    kit.build("rx5700xt-arch", tmp_path)
    script = (
        "import sys\nfrom rocm_patch.cli import main\n"
        f"sys.argv = ['rocm-patch', 'detect', '--root', {str(tmp_path)!r}, '--json']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "heavy = {'pydantic', 'yaml', 'httpx', 'elftools', 'conan', 'debian', 'zstandard', 'rich.table'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)\n"
    )
    source = str(Path(rocm_patch.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": source}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    # Processor time: the clock also counts what else the machine does.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


def test_code_is_read_by_a_child_and_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []

    def ask(path: Path, _seconds: float) -> list[str] | str:
        asked.append(path)
        return ["gfx1010"] if path.name == "good.so" else "its code cannot be read: no"

    (tmp_path / "good.so").write_bytes(b"x")
    (tmp_path / "bad.so").write_bytes(b"xy")
    monkeypatch.setattr(code, "_ask", ask)
    for _ in range(2):
        tree = Tree(tmp_path)
        libraries = [
            Library("a", "/good.so", None, 1),
            Library("b", "/bad.so", None, 2),
            Library("c", "/gone.so", None, 3),
        ]
        code.add_code(tree, libraries, tmp_path / "cache" / "c.json", seconds=9)
        assert [one.code_for for one in libraries] == [["gfx1010"], None, None]
        assert tree.notes == ["/bad.so: its code cannot be read: no"]
    assert [path.name for path in asked] == ["good.so", "bad.so", "bad.so"]


def test_the_child_is_bounded_in_time(tmp_path: Path) -> None:
    (tmp_path / "x.so").write_bytes(b"\x7fELF")
    assert "the time for that was over" in code._ask(tmp_path / "x.so", 0)
    assert "within" in code._ask(tmp_path / "x.so", 0.001)


def test_the_child_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(rocm_patch.__file__).parents[1]))
    (tmp_path / "x.so").write_bytes(b"no library\n")
    (tmp_path / "y.so").write_bytes(b"\x7fELF\x02\x01\x01")
    assert code._ask(tmp_path / "x.so", 60) == []
    assert "cannot be read" in code._ask(tmp_path / "y.so", 60)
