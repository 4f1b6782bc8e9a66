"""An rpm root made for one test, and a signed repository of tiny packages that dnf and zypper read."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.integration.apply.signed import publish_signed, tell_rpm
from tests.unit.apply.kit import make_root

from rocm_patch.apply.context import ENVIRONMENT


def make_rpm(
    repository: Path, name: str, version: str, files: dict[str, str], *, scripts: str = "", fields: str = ""
) -> None:
    """Have rpmbuild make one package; version is version-release."""
    work = repository.parent / "rpmwork"
    shutil.rmtree(work, ignore_errors=True)
    root = work / "files"
    for path, text in files.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    number, _, release = version.partition("-")
    spec = work / f"{name}.spec"
    spec.write_text(
        f"Name: {name}\nVersion: {number}\nRelease: {release}\nSummary: test\n"
        f"License: MIT\nBuildArch: noarch\nAutoReqProv: no\n{fields}\n"
        f"%description\ntest\n%install\nmkdir -p %{{buildroot}}\ncp -a {root}/. %{{buildroot}}/\n%files\n"
        + "".join(f"{path}\n" for path in files)
        + scripts
    )
    repository.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [
            "rpmbuild",
            "-bb",
            "--define",
            f"_topdir {work}/top",
            "--define",
            f"_rpmdir {repository}",
            "--define",
            "_rpmfilename %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm",
            "--define",
            "_binary_payload w0.gzdio",
            "--define",
            "__os_install_post %{nil}",
            str(spec),
        ],
        check=True,
        capture_output=True,
    )


def make_rpm_root(folder: Path, repository: Path, kind: str) -> Path:
    """Make a root that dnf or zypper takes for its own."""
    root = make_root(folder)
    for name in ("var/lib/rpm", "usr/lib", "opt", "tmp", "var/cache", "var/log"):
        (root / name).mkdir(parents=True, exist_ok=True)
    tell_rpm(root, kind, repository, repository.as_uri())
    if kind != "zypper":
        (root / "etc/dnf/plugins").mkdir(parents=True)
        (root / "etc/dnf/dnf.conf").write_text("[main]\ngpgcheck=1\nkeepcache=0\n")
        (root / "etc/os-release").write_text('ID=fedora\nVERSION_ID="42"\n')
        (root / "usr/lib/python3.13/site-packages/dnf-plugins").mkdir(parents=True)
    else:
        (root / "etc/os-release").write_text('ID=sles\nID_LIKE="suse"\nVERSION_ID="15.6"\n')
    if kind == "zypper":
        # Debian's libzypp looks into /var/lib/rpm, Debian's rpm into a folder of root's: SUSE's two agree.
        subprocess.run(
            ["rpm", "--root", str(root), "--dbpath", "/var/lib/rpm", "--initdb"],
            check=True,
            capture_output=True,
        )
        manager(root, "zypper", "refresh")
    manager(
        root, kind, "install", "rocblas-4.4.0-47" if kind != "zypper" else "rocblas=4.4.0-47", "dist-rocminfo"
    )
    if kind == "zypper":
        # zypper makes an empty list of what came by itself when it is first asked.
        manager(root, kind, "install", "--dry-run", "helper")
    return root


def dnf_words(root: Path) -> list[str]:
    """Give dnf and what makes it act on the root."""
    return [
        "dnf",
        "--assumeyes",
        "--installroot",
        str(root),
        f"--setopt=reposdir={root}/etc/yum.repos.d",
        "--config",
        f"{root}/etc/dnf/dnf.conf",
        "--releasever",
        "42",
    ]


def manager(root: Path, kind: str, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Run dnf or zypper on the root, as its owner would."""
    start = {
        "dnf": dnf_words(root),
        "dnf5": dnf_words(root),
        "zypper": [
            "zypper",
            "--root",
            str(root),
            "--non-interactive",
            # The owner looked at the key's fingerprint, and took it.
            "--gpg-auto-import-keys" if words[0] == "refresh" else "--no-refresh",
        ],
    }[kind]
    return subprocess.run(
        [*start, *words],
        check=True,
        capture_output=True,
        env={"PATH": ENVIRONMENT["PATH"], "LC_ALL": "C.UTF-8", "HOME": "/root"},
    )


def make_repository(room: Path) -> Path:
    """Make a stock rocblas, ours, a pack of kernels, and one that breaks; sign them and their lists."""
    place = room / "rpms/packages/amd/rpm"
    library = "/opt/rocm/lib/librocblas.so.4"
    make_rpm(place, "rocblas", "4.4.0-47", {library: "stock\n", "/opt/rocm/share/old": "only stock\n"})
    make_rpm(
        place, "rocblas", "4.4.0-47+gfx1010.1", {library: "ours\n", "/opt/rocm/share/new": "only ours\n"}
    )
    make_rpm(
        place,
        "kernels",
        "1.0-1",
        {"/opt/rocm/lib/rocblas/library/gfx1010/a.dat": "k\n"},
        fields="Requires: helper",
    )
    # Bigger than what is free on the disks of some tests.
    make_rpm(place, "big", "1.0-1", {"/opt/rocm/share/big": "\0" * (6 << 20)})
    make_rpm(place, "helper", "1.0-1", {"/usr/share/helper/x": "x\n"})
    make_rpm(place, "broken", "1.0-1", {"/usr/share/broken/x": "x\n"}, scripts="%pre -p <lua>\nerror('no')\n")
    make_rpm(place, "dist-rocminfo", "5.7-1", {"/usr/bin/rocminfo": "x\n"})
    return publish_signed(room, "rpms")
