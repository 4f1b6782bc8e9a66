"""Makes Debian packages and small roots from bytes, so that each rule meets what breaks just it."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

from rocm_patch.sysroot.lock import Lock, LockedPackage

HEADER = {
    "name": "mini",
    "architecture": "amd64",
    "suite": "sid",
    "component": "main",
    "date": "Fri, 30 Oct 2026 08:08:01 UTC",
}


def member(name: str, content: bytes | None = None, *, link: str | None = None, hard: str | None = None,
           kind: bytes | None = None, mode: int = 0o644) -> tuple[tarfile.TarInfo, bytes]:  # fmt: skip
    """Describe one member of a package's data: a file, folder (no content), link, or any other kind."""
    info = tarfile.TarInfo(name)
    info.mode = mode if content is not None else 0o755
    info.mtime = 1_700_000_000
    if link is not None:
        info.type, info.linkname = tarfile.SYMTYPE, link
    elif hard is not None:
        info.type, info.linkname = tarfile.LNKTYPE, hard
    elif kind is not None:
        info.type = kind
    elif content is None:
        info.type = tarfile.DIRTYPE
    info.size = len(content or b"") if info.isreg() else 0
    return info, content or b""


def _tar(members: Sequence[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz") as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def deb(path: Path, control: str, members: Sequence[tuple[tarfile.TarInfo, bytes]] = ()) -> Path:
    """Write a .deb: an ar archive of three members, in the order that dpkg asks for."""
    parts = (
        ("debian-binary", b"2.0\n"),
        ("control.tar.xz", _tar([member("./control", control.encode())])),
        ("data.tar.xz", _tar(members)),
    )
    data = b"!<arch>\n"
    for name, content in parts:
        data += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
        data += content + (b"\n" if len(content) % 2 else b"")
    path.write_bytes(data)
    return path


def locked(name: str, version: str = "1", arch: str = "amd64") -> LockedPackage:
    """Give a lock's line for a package that need not exist."""
    digest = hashlib.sha256(f"{name} {version}".encode()).hexdigest()
    return LockedPackage(
        name, version, arch, digest, 1000, f"pool/main/{name[0]}/{name}/{name}_{version}_{arch}.deb"
    )


def lock_of(*packages: LockedPackage, exclude: str = "") -> Lock:
    """Give a lock of these packages."""
    header = {**HEADER, **({"exclude": exclude} if exclude else {})}
    return Lock(header=header, packages=tuple(sorted(packages)))


def dpkg_root(
    root: Path, *, name: str = "tool", version: str = "1", files: dict[str, bytes] | None = None
) -> Path:
    """Make a root that dpkg's records describe rightly: one installed package with its files."""
    for folder in ("etc", "usr/bin", "var/lib/dpkg/info"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    brought = (
        files if files is not None else {"/usr/bin/tool": b"tool\n", "/usr/share/doc/tool/readme": b"text\n"}
    )
    sums = []
    for inside, content in brought.items():
        place = root / inside.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        sums.append(f"{hashlib.md5(content, usedforsecurity=False).hexdigest()}  {inside.lstrip('/')}\n")
    info = root / "var/lib/dpkg/info"
    (info / f"{name}.list").write_text("/.\n" + "".join(f"{inside}\n" for inside in brought))
    (info / f"{name}.md5sums").write_text("".join(sums))
    conf = hashlib.md5(b"conf\n", usedforsecurity=False).hexdigest()
    (root / "etc/tool.conf").write_bytes(b"conf\n")
    (root / "var/lib/dpkg/status").write_text(
        f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n"
        f"Conffiles:\n /etc/tool.conf {conf}\nDescription: a tool\n more of it\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 9\n"
    )
    return root
