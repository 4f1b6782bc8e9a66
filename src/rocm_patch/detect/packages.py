"""Packages of the distribution's managers, read from their databases; only those that concern the GPU.

The rpm program is asked only on the running machine, and only where its database
has a form that cannot be read here (Berkeley DB, ndb).
"""

from __future__ import annotations

import re
import sqlite3
import struct
import subprocess
import time
from collections.abc import Iterator

from rocm_patch import commands
from rocm_patch.detect.model import Manager, Origin, Package
from rocm_patch.detect.tree import Tree, clean

#: Names of packages that concern the GPU, as Debian, Fedora, SUSE, Arch and AMD spell them.
WANTED = re.compile(
    r"(rocm|hip|hsa|miopen|amdgpu|amdrocm|rccl|rdma-hip|comgr|aomp|composable|tensile|half$|hcc|"
    r"roc(blas|fft|rand|solver|sparse|prim|thrust|alution|tracer|profiler|wmma|m)|therock|"
    r"lib(rocm|roc(blas|fft|rand|solver|sparse|alution|tracer|profiler|m)|hip|hsa|miopen|rccl|amd-?comgr|amdhip|"
    r"hsakmt|torch)|linux-firmware|firmware-amd|kernel-firmware-amdgpu|python3?-(py)?torch|pytorch|"
    r"cuda-|nvidia-driver|libtorch)"
)
_DPKG_STATUS = "/var/lib/dpkg/status"
_DPKG_LIMIT = 64 << 20
_RPM_FOLDERS = ("/usr/lib/sysimage/rpm", "/var/lib/rpm")
_RPM_LIMIT = 1 << 30
_RPM_OTHER = r"Packages(\.db)?"
_RPM_QUERY = r"%{NAME}\t%{VERSION}-%{RELEASE}\t%{ARCH}\t%{VENDOR}\n"
_RPM_SECONDS = 10
_PACMAN = "/var/lib/pacman/local"
_OUTPUT_LIMIT = 8 << 20
#: AMD's versions end with the release of ROCm: 4.4.0.60400-47~24.04, or 4.4.0.60400-47.el9 .
_AMD_VERSION = re.compile(r"\.(\d)(\d\d)(\d\d)-\d+")
_NAME, _VERSION, _RELEASE, _ARCH, _VENDOR = 1000, 1001, 1002, 1022, 1011
_STRING_TYPES = (6, 9)
_ENTRIES_LIMIT = 4096


def find_packages(tree: Tree) -> list[Package]:
    """Give the packages of every manager whose database is there, sorted by manager and name."""
    found = [*_dpkg(tree), *_rpm(tree), *_pacman(tree)]
    return sorted(found, key=lambda one: (one.manager, one.name, one.version))


def origin_of(name: str, version: str, maker: str) -> Origin:
    """Tell who made a package: we (+gfx or +0gfx in its version), AMD, or the distribution."""
    if re.search(r"\+0?gfx1?[0-9a-f]{3}", version):
        return "rocm-patch"
    if _AMD_VERSION.search(version) or name.startswith("amdrocm") or "@amd.com" in maker.lower():
        return "amd"
    return "amd" if "advanced micro devices" in maker.lower() else "distribution"


def rocm_release(version: str) -> str | None:
    """Take ROCm's release out of the version of one of AMD's packages: 4.4.0.60400-47 is of 6.4.0."""
    found = _AMD_VERSION.search(version)
    return f"{int(found[1])}.{int(found[2])}.{int(found[3])}" if found else None


def parse_dpkg_status(data: bytes) -> list[Package]:
    """Read dpkg's status. Paragraphs are chosen by name first: parsing all of them takes seconds."""
    found = []
    for paragraph in re.split(rb"\n[ \t]*\n", data):
        head = re.search(rb"^Package:[ \t]*([^\n]+)", paragraph, re.MULTILINE)
        if head is None or not WANTED.match(clean(head[1]).strip()):
            continue
        from debian.deb822 import Deb822  # noqa: PLC0415  # 40 ms that a machine without dpkg need not spend

        # A continued line belongs to none of these fields, whatever the file says.
        fields = {key: value.split("\n")[0] for key, value in Deb822(clean(paragraph).splitlines()).items()}
        version = fields.get("Version", "")
        state = fields.get("Status", "").split()
        if state[2:3] != ["installed"] or not version:
            continue
        package = _package(
            fields["Package"], version, "dpkg", fields.get("Maintainer", ""), fields.get("Architecture")
        )
        found.append(package)
    return found


def parse_rpm_lines(text: str) -> list[Package]:
    """Read lines of name, version-release, architecture and vendor, with tabs between."""
    found = []
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) == 4 and fields[1].strip("-") and WANTED.match(fields[0]):  # noqa: PLR2004  # as asked for
            found.append(_package(fields[0], fields[1], "rpm", fields[3], fields[2]))
    return found


def parse_rpm_header(blob: bytes) -> dict[int, str]:
    """Read the string tags of a header as rpm's databases hold it: counts, index, data; b'' if malformed."""
    if len(blob) < 8:  # noqa: PLR2004  # two counts
        return {}
    entries, size = struct.unpack_from(">II", blob)
    start = 8 + 16 * entries
    if entries > _ENTRIES_LIMIT or start + size > len(blob):
        return {}
    found = {}
    for number in range(entries):
        tag, kind, offset, _count = struct.unpack_from(">IIII", blob, 8 + 16 * number)
        if kind in _STRING_TYPES and offset < size:
            end = blob.find(b"\0", start + offset, start + size)
            if end >= 0:
                found[tag] = clean(blob[start + offset : end])
    return found


def parse_pacman_desc(text: str) -> Package | None:
    """Read a `desc` of pacman's local database: %NAME% and the value on the next line."""
    fields = dict(re.findall(r"(?m)^%([A-Z0-9]+)%\n([^\n]+)", text))
    if not WANTED.match(fields.get("NAME", "")) or "VERSION" not in fields:
        return None
    return _package(
        fields["NAME"], fields["VERSION"], "pacman", fields.get("PACKAGER", ""), fields.get("ARCH")
    )


def _package(name: str, version: str, manager: Manager, maker: str, arch: str | None) -> Package:
    return Package(
        name=name,
        version=version,
        manager=manager,
        origin=origin_of(name, version, maker),
        architecture=arch or None,
        release=rocm_release(version),
    )


def _dpkg(tree: Tree) -> list[Package]:
    data = tree.read(_DPKG_STATUS, _DPKG_LIMIT)
    return parse_dpkg_status(data) if data else []


def _rpm(tree: Tree) -> list[Package]:
    for folder in _RPM_FOLDERS:
        if tree.exists(f"{folder}/rpmdb.sqlite"):
            return _rpm_sqlite(tree, f"{folder}/rpmdb.sqlite")
        if tree.names(folder, _RPM_OTHER):
            if tree.live:
                return _rpm_program(tree)
            tree.note(
                folder, "rpm's database is Berkeley DB or ndb: only the rpm program of that machine reads it"
            )
            return []
    return []


def _rpm_sqlite(tree: Tree, path: str) -> list[Package]:
    local, status = tree.local(path), tree.status(path)
    if local is None or status is None or status.st_size > _RPM_LIMIT:
        tree.note(path, "too large, or not a file")
        return []
    lines: list[str] = []
    try:
        # immutable: reading must leave neither a lock nor a journal beside a database that is not ours.
        base = sqlite3.connect(f"{local.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            end = time.monotonic() + _RPM_SECONDS
            base.set_progress_handler(lambda: int(time.monotonic() > end), 100_000)
            for blob in _rpm_blobs(tree, base, path):
                tags = parse_rpm_header(blob) if isinstance(blob, bytes) else {}
                version = f"{tags.get(_VERSION, '')}-{tags.get(_RELEASE, '')}"
                parts = (tags.get(_NAME, ""), version, tags.get(_ARCH, ""), tags.get(_VENDOR, ""))
                lines.append("\t".join(re.sub(r"\s", " ", part) for part in parts))
        finally:
            base.close()
    except sqlite3.Error as error:
        tree.note(path, f"rpm's database cannot be read: {error}")
    return parse_rpm_lines("\n".join(lines))


def _rpm_blobs(tree: Tree, base: sqlite3.Connection, path: str) -> Iterator[object]:
    """Give the headers of wanted packages, by rpm's own index of names where there is one.

    A view could compute for ever; only real tables are read.
    """
    tables = {name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "Packages" not in tables:
        tree.note(path, "has no table of packages")
        return
    if "Name" not in tables:
        yield from (row[0] for row in base.execute("SELECT blob FROM Packages"))
        return
    names = base.execute("SELECT key, hnum FROM Name").fetchall()
    for number in sorted({number for name, number in names if isinstance(name, str) and WANTED.match(name)}):
        yield from (row[0] for row in base.execute("SELECT blob FROM Packages WHERE hnum = ?", (number,)))


def _rpm_program(tree: Tree) -> list[Package]:
    try:
        done = commands.run(
            ["rpm", "-qa", "--queryformat", _RPM_QUERY],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_RPM_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        tree.note("rpm -qa", str(error))
        return []
    if done.returncode:
        tree.note("rpm -qa", f"exit status {done.returncode}")
    # A header field may hold anything but a tab is a tab: clean() leaves it.
    return parse_rpm_lines(clean(done.stdout[:_OUTPUT_LIMIT]))


def _pacman(tree: Tree) -> list[Package]:
    found = []
    for name in tree.names(_PACMAN):
        if WANTED.match(name):
            package = parse_pacman_desc(tree.text(f"{_PACMAN}/{name}/desc") or "")
            if package is not None:
                found.append(package)
    return found
