"""A Debian root made for one test.

Dpkg's folders, a shell for maintainer scripts, and a repository of tiny packages, signed as users get it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from tests.integration.apply.signed import publish_signed, tell_apt
from tests.unit.apply.kit import make_root
from tests.unit.audit import make as audit

_FOLDERS = (
    "var/lib/dpkg/info",
    "var/lib/dpkg/updates",
    "var/lib/dpkg/triggers",
    "var/lib/dpkg/parts",
    "var/lib/dpkg/alternatives",
    "var/lib/apt/lists/partial",
    "var/cache/apt/archives/partial",
    "var/log/apt",
    "etc/apt/preferences.d",
    "etc/apt/trusted.gpg.d",
    "usr/bin",
    "usr/lib",
    "tmp",
    "dev",
    "opt",
)


def make_debian(folder: Path, repository: Path) -> Path:
    """Make the root and tell its apt of the repository."""
    root = make_root(folder)
    for name in _FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in ("bin", "lib", "lib64"):
        # As all meant systems are: packages still say /lib, and mean /usr/lib.
        (root / "usr" / name).mkdir(exist_ok=True)
        (root / name).symlink_to(f"usr/{name}")
    for name in ("status", "available", "diversions", "statoverride", "info/format"):
        (root / "var/lib/dpkg" / name).write_text("1\n" if name == "info/format" else "")
    tell_apt(root, repository, repository.as_uri())
    (root / "etc/os-release").write_text('ID=debian\nVERSION_ID="12"\n')
    _shell(root)
    (root / "dev/null").touch()
    return root


def _shell(root: Path) -> None:
    """Copy this machine's sh with its libraries: dpkg runs maintainer scripts inside the root."""
    for program in ("/bin/sh", "/bin/rm", "/bin/sleep"):
        real = Path(program).resolve()
        text = subprocess.run(["ldd", str(real)], capture_output=True, text=True, check=True).stdout
        for library in re.findall(r"(/\S+) \(0x", text):
            place = root / library.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(Path(library).resolve(), place)
        place = root / program.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(real, place)


def make_deb(
    repository: Path,
    name: str,
    version: str,
    files: dict[str, str | bytes],
    *,
    scripts: dict[str, str] | None = None,
    fields: dict[str, str] | None = None,
    conffiles: tuple[str, ...] = (),
) -> Path:
    """Have dpkg-deb make one package."""
    work = repository.parent / "work"
    shutil.rmtree(work, ignore_errors=True)
    (work / "DEBIAN").mkdir(parents=True)
    work.chmod(0o755)
    control = {
        "Package": name,
        "Version": version,
        "Architecture": "all",
        "Maintainer": "Test <test@example.org>",
        "Description": "test",
        **(fields or {}),
    }
    (work / "DEBIAN/control").write_text("".join(f"{key}: {value}\n" for key, value in control.items()))
    for script, body in (scripts or {}).items():
        (work / "DEBIAN" / script).write_text(f"#!/bin/sh\n{body}\n")
        (work / "DEBIAN" / script).chmod(0o755)
    if conffiles:
        (work / "DEBIAN/conffiles").write_text("".join(f"{one}\n" for one in conffiles))
    for path, text in files.items():
        place = work / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text if isinstance(text, bytes) else text.encode())
    repository.mkdir(parents=True, exist_ok=True)
    out = repository / f"{name}_{version}_all.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(work), str(out)],
        check=True,
        capture_output=True,
    )
    return out


def update(root: Path) -> None:
    """Have the root's apt read the repository."""
    apt(root, "update")


def apt(root: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Run apt-get on the root, as its owner would."""
    conf = root.parent / f"{root.name}.conf"
    conf.write_text(
        f'Dir "{root}";\nDir::State::status "{root}/var/lib/dpkg/status";\nAPT::Sandbox::User "root";\n'
        f'DPkg::Options {{ "--root={root}"; "--log={root}/var/log/dpkg.log"; }};\n'
    )
    return subprocess.run(
        ["apt-get", "--yes", *words],
        env={
            "APT_CONFIG": str(conf),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive",
        },
        check=True,
        capture_output=True,
    )


def make_repository(room: Path) -> Path:
    """Make a stock rocblas, ours, one that breaks, one that stays, one that waits; sign their list."""
    place = room / "debs/packages/debian/deb"
    library = "/opt/rocm/lib/librocblas.so.4"
    make_deb(
        place,
        "rocblas",
        "4.4.0",
        {library: "stock 1\n", "/opt/rocm/share/old": "only stock\n", "/etc/rocblas.conf": "a\n"},
        conffiles=("/etc/rocblas.conf",),
    )
    make_deb(
        place,
        "rocblas",
        "4.4.0+gfx1010.1",
        {library: "ours\n", "/opt/rocm/share/new/deep": "only ours\n", "/etc/rocblas.conf": "b\n"},
        conffiles=("/etc/rocblas.conf",),
    )
    scripts = {"postinst": "echo made > /opt/made-by-postinst", "postrm": "rm -f /opt/made-by-postinst"}
    make_deb(
        place,
        "kernels",
        "1.0",
        {"/opt/rocm/lib/rocblas/library/gfx1010/a.dat": "kernels\n"},
        scripts=scripts,
        fields={"Depends": "helper"},
    )
    # Bigger than what is free on the disks of some tests.
    make_deb(place, "big", "1.0", {"/opt/rocm/share/big": bytes(6 << 20)})
    make_deb(place, "helper", "1.0", {"/usr/share/helper/x": "x\n", "/lib/helper/deep/y": "y\n"})
    make_deb(
        place,
        "broken",
        "1.0",
        {"/usr/share/broken/x": "x\n"},
        scripts={"postinst": "echo no; exit 3"},
        fields={"Depends": "helper"},
    )
    make_deb(
        place,
        "stuck",
        "1.0",
        {"/usr/share/stuck/x": "x\n"},
        scripts={"postinst": "exit 1", "prerm": "exit 1", "postrm": "exit 1"},
    )
    waits = "echo > /opt/sleeping; while [ -e /opt/pause ]; do /bin/sleep 0.1; done"
    make_deb(place, "sleeper", "1.0", {"/usr/share/sleeper/x": "x\n"}, scripts={"postinst": waits})
    for name, mach, target in (("coded", 0x33, "gfx1010"), ("wrongly-coded", 0x36, "gfx1030")):
        code = audit.code_object(audit.K(), mach=mach, target=f"amdgcn-amd-amdhsa--{target}")
        coded = audit.host(audit.fat(**{target: code}))
        make_deb(place, name, "1.0", {f"/opt/rocm/lib/lib{name}.so.1": coded, "/opt/rocm/share/x": "x\n"})
    drops = "rm -f /opt/rocm-link /opt/slave /etc/alternatives/* /var/lib/dpkg/alternatives/rocm"
    make_deb(place, "dist-rocminfo", "5.7.1", {"/usr/bin/rocminfo": "dist\n"}, scripts={"prerm": drops})
    return publish_signed(room, "debs")


def make_pristine(room: Path, repository: Path) -> Path:
    """Make a root with the stock rocblas and the distribution's rocminfo installed."""
    root = make_debian(room / "pristine", repository)
    update(root)
    apt(root, "install", "rocblas=4.4.0", "dist-rocminfo")
    return root
