"""A finished wheel as a distribution's package of Python modules.

Reads what the wheel says of itself (METADATA, entry points, its bill) and turns needs into
the layout's package names. Knows nothing of how a wheel is made.
"""

from __future__ import annotations

import calendar
import configparser
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import attrs
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from rocm_patch.errors import PackageError
from rocm_patch.packaging.bill import plain_bill
from rocm_patch.packaging.layout import Format, load_layouts
from rocm_patch.packaging.model import Change, Content, Package, Relation
from rocm_patch.sources.store import sha256_file
from rocm_patch.wheel.archive import unpack_wheel
from rocm_patch.wheel.metadata import values
from rocm_patch.wheel.sbom import FILE as SBOM
from rocm_patch.wheel.sbom import Part

_GLIBC = re.compile(r"glibc \(>=([\d.]+)\)")
_STDCXX = re.compile(r"libstdc\+\+ \(GLIBCXX\) \(>=([\d.]+)\)")
_SONAME = re.compile(r"lib[^ ]+\.so(\.\d+)*")
_TAG = re.compile(r"cp3(\d+)")
_OPERATORS = {">=": ">=", ">": ">", "==": ">=", "~=": ">="}


@attrs.frozen
class _Wheel:
    file: Path
    tree: Path
    info: Path
    metadata: str
    python: str

    def one(self, name: str) -> str:
        """Give a header's value; empty where it has none."""
        return next(iter(values(self.metadata, name)), "")


def wheel_package(
    wheel: Path, scratch: Path, *, layout: str, format_: Format, target: str, revision: int = 1
) -> Package:
    """Give the package of a wheel; `scratch` keeps its unpacked files until the package is built."""
    opened = _open(wheel, scratch)
    name = canonicalize_name(opened.one("Name"))
    version = opened.one("Version")
    data = load_layouts().python
    site = (data.deb if format_ == "deb" else data.rpm).site.format(version=opened.python)
    contents = [*_contents(opened, site, format_), *_scripts(opened)]
    files = {one.path: sha256_file(one.source) if isinstance(one.source, Path) else "" for one in contents}
    epoch = _epoch(wheel)
    title = f"{_python(opened.python, data.usual)}-{name}-{target}"
    bill = plain_bill(
        name=title,
        version=f"{version}-{revision}",
        licence=_licence(opened),
        epoch=epoch,
        parts=[
            Part(
                "vendored", name, version, sha256=sha256_file(wheel),
                files={path: digest for path, digest in files.items() if digest},
                properties={"rocm-patch:wheel": wheel.name, "rocm-patch:wheel-bill": f"sboms/{SBOM}"},
            )
        ],
        facts={"target": target, "python": opened.python, "layout": layout},
    )  # fmt: skip
    usual = f"python3-{name}-{target}"
    rivals = [one for one in (*data.conflicts.get(name, (f"python3-{name}",)), usual) if one != title]
    return Package(
        name=title,
        version=version,
        revision=str(revision),
        section="python",
        summary=f"Python module {name} with code for {target}",
        description=(
            f"The wheel {wheel.name}",
            "as a package. It carries its libraries, but for ROCm's and glibc's.",
        ),
        licence=_licence(opened),
        epoch=epoch,
        contents=contents,
        licences=_licences(opened),
        changes=(Change(f"{version}-{revision}", (f"Wraps {wheel.name}, sha256 {sha256_file(wheel)}.",)),),
        sbom=bill,
        depends=tuple(_needs(opened, layout, format_)),
        provides=(Relation((f"python3-{name}",), "=", version),),
        conflicts=tuple(Relation((one,)) for one in rivals),
        python=opened.python,
    )


def _python(version: str, usual: str) -> str:
    """Give the beginning of a package's name: two Pythons' packages of one module may lie side by side."""
    return "python3" if version == usual else f"python{version}"


def _open(wheel: Path, scratch: Path) -> _Wheel:
    tree = scratch / f"{wheel.stem}-tree"
    if not tree.exists():
        tree.mkdir(parents=True)
        unpack_wheel(wheel, tree)
    info = next(iter(sorted(tree.glob("*.dist-info"))))
    text = (info / "METADATA").read_text(encoding="utf-8")
    tags = parse_wheel_filename(wheel.name)[3]
    found = [match for tag in tags if (match := _TAG.fullmatch(tag.interpreter))]
    if len(found) != 1:
        raise PackageError(
            f"{wheel.name} is for no one CPython", cause="its tag says so", step="build it with --python"
        )
    return _Wheel(wheel, tree, info, text, f"3.{found[0][1]}")


def _contents(opened: _Wheel, site: str, format_: Format) -> Iterator[Content]:
    for path in sorted(opened.tree.rglob("*")):
        if not path.is_file():
            continue
        name = path.relative_to(opened.tree).as_posix()
        top, _, rest = name.partition("/")
        if top.endswith(".data"):
            kind, _, inner = rest.partition("/")
            if kind not in {"purelib", "platlib"}:
                if kind != "scripts":
                    raise PackageError(f"{opened.file.name} holds {name}", cause=f"{kind} has no place yet")
                yield Content(f"/usr/bin/{inner}", _shebang(path, opened.python), executable=True)
                continue
            name = inner
        # pip must not remove files that the package manager owns: without RECORD it refuses.
        if path.parent == opened.info and path.name in {"RECORD", "INSTALLER", "direct_url.json"}:
            continue
        if path.name.endswith(".pyc"):
            continue
        yield Content(f"{site}/{name}", path, executable=_program(path))
    yield Content(f"{site}/{opened.info.name}/INSTALLER", f"{format_}\n".encode())


def _program(path: Path) -> bool:
    """Tell a program (torch/bin/...) from a library: both have the bit in some wheels."""
    return path.parent.name == "bin" and bool(path.stat().st_mode & 0o100)


def _shebang(path: Path, python: str) -> bytes:
    first, newline, rest = path.read_bytes().partition(b"\n")
    if first.startswith(b"#!python"):
        return f"#!/usr/bin/python{python}".encode() + newline + rest
    return first + newline + rest


def _scripts(opened: _Wheel) -> Iterator[Content]:
    file = opened.info / "entry_points.txt"
    if not file.is_file():
        return
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(file.read_text(encoding="utf-8"))
    if not parser.has_section("console_scripts"):
        return
    for name, value in sorted(parser.items("console_scripts")):
        module, _, attribute = value.partition("[")[0].strip().partition(":")
        text = (
            f"#!/usr/bin/python{opened.python}\nimport sys\n\nfrom {module} import "
            f"{attribute.partition('.')[0]}\n\nsys.exit({attribute}())\n"
        )
        yield Content(f"/usr/bin/{name}", text.encode(), executable=True)


def _needs(opened: _Wheel, layout: str, format_: Format) -> Iterator[Relation]:
    deb = format_ == "deb"
    if deb:
        # python3 brings py3compile; the modules themselves are for one version.
        yield from (Relation(("python3",)), Relation((f"python{opened.python}",)))
    else:
        yield Relation(("python(abi)",), "=", opened.python)
    data = load_layouts().python
    for text in values(opened.metadata, "Requires-Dist"):
        requirement = Requirement(text)
        marker = requirement.marker
        environment = {"python_version": opened.python, "python_full_version": f"{opened.python}.0",
                       "platform_system": "Linux", "sys_platform": "linux", "extra": ""}  # fmt: skip
        if marker is not None and not marker.evaluate(environment):
            continue
        name = canonicalize_name(requirement.name)
        package = data.names.get(name, f"python3-{name}")
        # A pinned version becomes a floor: a distribution has one version, often a later one.
        floors = [one for one in requirement.specifier if one.operator in _OPERATORS]
        if floors:
            yield Relation((package,), _OPERATORS[floors[0].operator], floors[0].version)
        else:
            yield Relation((package,))
    yield from _system_needs(opened, layout, deb=deb)


def _system_needs(opened: _Wheel, layout: str, *, deb: bool) -> Iterator[Relation]:
    data = load_layouts().python
    packages: dict[str, None] = {}
    for line in values(opened.metadata, "Requires-External"):
        if match := _GLIBC.fullmatch(line):
            floor = Relation(("libc6",), ">=", match[1])
            yield floor if deb else Relation((f"libc.so.6(GLIBC_{match[1]})(64bit)",))
        elif match := _STDCXX.fullmatch(line):
            gcc = data.libstdcxx.get(match[1])
            if gcc is None:
                raise PackageError(
                    f"which libstdc++6 has GLIBCXX_{match[1]} is not known",
                    step="add it to libstdcxx in packaging/layouts.yml",
                )
            floor = Relation(("libstdc++6",), ">=", gcc)
            yield floor if deb else Relation((f"libstdc++.so.6(GLIBCXX_{match[1]})(64bit)",))
        elif _SONAME.fullmatch(line):
            if line not in data.sonames[layout]:
                raise PackageError(
                    f"which package of the layout {layout} has {line} is not known",
                    cause=f"{opened.file.name} needs it",
                    step="add it to sonames in packaging/layouts.yml",
                )
            packages[data.sonames[layout][line]] = None
    yield from (Relation((one,)) for one in packages)


def _epoch(wheel: Path) -> int:
    """Give the latest time in the wheel: a finished one has one time for all."""
    with zipfile.ZipFile(wheel) as archive:
        return max(calendar.timegm((*one.date_time, 0, 0, 0)) for one in archive.infolist())


def _licence(opened: _Wheel) -> str:
    said = opened.one("License-Expression") or opened.one("License")
    bill = opened.info / "sboms" / SBOM
    if not said and bill.is_file():
        licences = json.loads(bill.read_bytes())["metadata"]["component"]["licenses"]
        said = str(licences[0]["license"]["id"])
    if not said:
        raise PackageError(
            f"{opened.file.name} names no licence", step="give it License-Expression, or finish it"
        )
    return said


def _licences(opened: _Wheel) -> dict[str, str]:
    found = {
        path.relative_to(opened.info).as_posix(): path.read_text("utf-8", "replace")
        for path in sorted(opened.info.rglob("*"))
        if path.is_file()
        and (path.name.upper().startswith(("LICENSE", "LICENCE", "COPYING", "NOTICE"))
             or "licenses" in path.relative_to(opened.info).parts[:-1])
    }  # fmt: skip
    if not found:
        raise PackageError(
            f"{opened.file.name} holds no licence text", step="put it into .dist-info/licenses and finish it"
        )
    return found
