"""What a distribution ships of a component: its version, its files, and the GPU code in them.

Reads a .deb, a .rpm, or an installed system (its root folder). The code is read from the library's
bytes by the audit; names and versions say nothing about it.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

import attrs
from debian.deb822 import Deb822, Packages
from debian.debfile import DebFile

from rocm_patch.audit.members import Member, members
from rocm_patch.audit.model import FileReport
from rocm_patch.audit.scan import Options, scan
from rocm_patch.audit.tensile import is_library
from rocm_patch.errors import PackageError, UsageError
from rocm_patch.packaging import tools
from rocm_patch.packaging.layout import Component, Format

_QUERY = "%{NAME}\\n%{VERSION}-%{RELEASE}\\n%{ARCH}\\n"
_LINK_RECORDS = ("shlibs", "symbols")


class StockError(PackageError):
    """A file or system is not the stock package that was asked for."""


@attrs.frozen
class Stock:
    """A stock package: `depends` as its format writes them, `files` as installed paths."""

    format: Format
    name: str
    version: str
    depends: tuple[str, ...]
    files: tuple[str, ...]
    #: The library's own files, without the links that lead to them.
    libraries: tuple[str, ...]
    #: Processors that the library itself (its host file) holds code for.
    library_targets: frozenset[str]
    #: Processors of the loose code objects beside it.
    kernel_targets: frozenset[str]
    #: Installed folder of the kernels; None where the package has none.
    kernels: str | None
    #: What dpkg-shlibdeps reads of a .deb with libraries: the control files shlibs and symbols, by name.
    link_records: dict[str, str] = attrs.field(factory=dict)

    @property
    def upstream(self) -> str:
        """The version without the packager's revision."""
        return self.version.rpartition("-")[0] or self.version

    @property
    def revision(self) -> str:
        """The packager's revision; empty where there is none."""
        return self.version.rpartition("-")[2] if "-" in self.version else ""


@attrs.frozen
class _Said:
    """What a package's own records say."""

    format: Format
    name: str
    version: str
    depends: tuple[str, ...]
    files: list[str]
    link_records: dict[str, str] = attrs.field(factory=dict)


def read_stock(path: Path, component: Component) -> Stock:
    """Read a stock package, or the installed one below a root folder. PackageError, AuditError."""
    if path.is_dir():
        return _installed(path, component)
    if path.suffix == ".deb":
        return _deb(path, component)
    if path.suffix == ".rpm":
        return _rpm(path, component)
    raise UsageError(
        f"{path} is no stock package",
        cause="a .deb, a .rpm or the root folder of an installed system is wanted",
        step=f"fetch it: apt-get download {component.package}, or: dnf download {component.package}",
    )


def _deb(path: Path, component: Component) -> Stock:
    with DebFile(str(path)) as archive:
        control = archive.control.debcontrol()
        names = [f"/{name.lstrip('./')}" for name in archive.data.tgz().getnames() if name.strip("./")]
        records = {
            name: archive.control.get_content(name, encoding="utf-8") or ""
            for name in _LINK_RECORDS
            if archive.control.has_file(name)
        }
    said = _Said("deb", control["Package"], control["Version"], _relations(control), names, records)
    return _stock(said, component, _inside(path))


def _rpm(path: Path, component: Component) -> Stock:
    what = f"reading {path.name}"
    return _stock(_asked(["rpm", "-qp", "--nosignature", str(path)], what), component, _inside(path))


def _installed(root: Path, component: Component) -> Stock:
    record = _dpkg_record(root, component.package)
    if record is not None:
        listing = next((root / "var/lib/dpkg/info").glob(f"{component.package}*.list"))
        names = [line for line in listing.read_text(encoding="utf-8").splitlines() if line != "/."]
        records = {
            name: listing.with_suffix(f".{name}").read_text(encoding="utf-8")
            for name in _LINK_RECORDS
            if listing.with_suffix(f".{name}").is_file()
        }
        said = _Said("deb", record["Package"], record["Version"], _relations(record), names, records)
        return _stock(said, component, _on_disk(root, names, component))
    query = ["rpm", "--root", str(root.resolve()), "-q", component.package]
    what = f"looking for {component.package} in {root}"
    if not any((root / place).exists() for place in ("var/lib/rpm", "usr/lib/sysimage/rpm")):
        raise StockError(
            f"{component.package} is not installed in {root}",
            cause="neither dpkg nor rpm knows it there",
            step="install it, or name its .deb or .rpm",
        )
    said = _asked(query, what)
    return _stock(said, component, _on_disk(root, said.files, component))


def _asked(query: list[str], what: str) -> _Said:
    """Let rpm say what a package is."""
    name, version, _ = tools.run([*query, "--qf", _QUERY], what=what).split()
    files = tools.run([*query, "--list"], what=what).splitlines()
    needs = tools.run([*query, "--requires"], what=what).splitlines()
    depends = tuple(dict.fromkeys(line for line in needs if not line.startswith("rpmlib(")))
    return _Said("rpm", name, version, depends, files)


def _dpkg_record(root: Path, package: str) -> Deb822 | None:
    status = root / "var/lib/dpkg/status"
    if not status.is_file():
        return None
    with status.open(encoding="utf-8") as lines:
        for one in Packages.iter_paragraphs(lines, use_apt_pkg=False):
            if one["Package"] == package and one["Status"].endswith(" installed"):
                return one
    return None


def _relations(control: Mapping[str, str]) -> tuple[str, ...]:
    fields = (control.get("Pre-Depends", ""), control.get("Depends", ""))
    return tuple(part.strip() for field in fields for part in field.split(",") if part.strip())


def _inside(path: Path) -> Iterator[tuple[str, Member]]:
    """Give the members of a package with their installed paths."""
    for member in members(path):
        yield f"/{member.path.rpartition('!')[2].lstrip('./')}", member


def _on_disk(root: Path, names: Iterable[str], component: Component) -> Iterator[tuple[str, Member]]:
    """Give the files that decide: the library, and what lies beside other code objects."""
    for name in names:
        path = root / name.lstrip("/")
        if path.is_symlink() or not path.is_file():
            continue
        if _is_host(name, component) or _is_loose(name):
            for member in members(path):
                yield name, member


def _is_host(name: str, component: Component) -> bool:
    return fnmatch.fnmatch(PurePosixPath(name).name, component.library)


def _is_loose(name: str) -> bool:
    return name.endswith((".hsaco", ".co", ".dat"))


def _stock(said: _Said, component: Component, found: Iterator[tuple[str, Member]]) -> Stock:
    if said.name != component.package:
        raise StockError(
            f"{said.name} is not the stock package",
            cause=f"this layout's is called {component.package}",
            step="name the other file, or the other --layout",
        )
    host: set[str] = set()
    libraries: list[str] = []
    loose: set[str] = set()
    for path, member in found:
        if member.kind == "tensile" or is_library(path):
            continue
        report = FileReport(path=path, size=len(member.view), kind=member.kind)
        scan(member, Options(quick=True), report)
        if _is_host(path, component):
            libraries.append(path)
        (host if _is_host(path, component) else loose).update(report.processors())
    if not libraries:
        raise StockError(
            f"{said.name} {said.version} has no {component.library}",
            step="name the package that holds the library",
        )
    folders = {str(PurePosixPath(one).parent) for one in said.files if is_library(one)}
    folders = {one.rpartition("/")[0] if one.rpartition("/")[2].startswith("gfx") else one for one in folders}
    return Stock(
        format=said.format,
        name=said.name,
        version=said.version,
        depends=said.depends,
        files=tuple(sorted(said.files)),
        libraries=tuple(libraries),
        library_targets=frozenset(host),
        kernel_targets=frozenset(loose),
        kernels=min(folders, default=None),
        link_records=said.link_records,
    )
