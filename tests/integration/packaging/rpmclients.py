"""dnf, zypper and rpm as the tests call them: each on a root of its own, with nothing of this machine's."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.integration.packaging import parts

Client = Callable[..., subprocess.CompletedProcess[str]]


def dnf(
    root: Path, repo: Path, *words: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run dnf on a root, with nothing of this machine's but the program."""
    top = root.parent / "dnf"
    top.mkdir(exist_ok=True)
    shutil.copy(repo / "rocm-patch-amd.repo", top)
    (top / "dnf.conf").write_text("[main]\nlogdir=/tmp\n")
    argv = ["dnf", "-y", "--config", str(top / "dnf.conf"), f"--setopt=reposdir={top}",
            f"--setopt=cachedir={top}/cache", "--setopt=module_platform_id=platform:none",
            "--installroot", str(root), "--releasever=1", *words]  # fmt: skip
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=600,
                          env={**parts.environment(root.parent), **(env or {})})  # fmt: skip


def zypper(root: Path, repo: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run zypper on a root, whose repository it keeps there."""
    folder = root / "etc/zypp/repos.d"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(repo / "rocm-patch-amd.repo", folder)
    argv = ["zypper", "--root", str(root), "--non-interactive", *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=600,
                          env=parts.environment(root.parent))  # fmt: skip


def rpm(root: Path, *words: str | Path) -> str:
    """Run rpm on a root; it must succeed."""
    return parts.run(["rpm", "--root", root, "--nosignature", *words], env=parts.environment(root.parent))


def installed(root: Path) -> set[str]:
    """Give the packages of a root, each with its version, but for the keys that clients import."""
    out = rpm(root, "-qa", "--qf", "%{NAME} %{VERSION}-%{RELEASE}\\n")
    return {line for line in out.splitlines() if not line.startswith("gpg-pubkey")}
