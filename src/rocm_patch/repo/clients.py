"""How a machine uses the repositories: the files it fetches, and one line for apt, dnf, zypper, pip.

Templates are in packaging/repo/. Knows addresses and names; reads no repository.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from packaging.utils import parse_wheel_filename

from rocm_patch.packaging.tree import template
from rocm_patch.repo.keys import Key

README = "README.txt"


def write_clients(
    root: Path, *, url: str, key: Key, apt: Sequence[str], rpm: Sequence[str], wheels: Sequence[Path]
) -> None:
    """Write rocm-patch-SUITE.sources and .repo files and README.txt with the lines to type."""
    # deb822 takes a key inside Signed-By: empty lines become a dot, all are indented.
    lines = (f" {line or '.'}" for line in key.public().splitlines())
    words = {"url": url.rstrip("/"), "fingerprint": key.fingerprint, "key": "\n".join(lines)}
    for suite in apt:
        text = template("repo/apt.sources.j2").render(**words, suite=suite)
        (root / f"rocm-patch-{suite}.sources").write_text(text, encoding="utf-8")
    for suite in rpm:
        text = template("repo/rpm.repo.j2").render(**words, suite=suite)
        (root / f"rocm-patch-{suite}.repo").write_text(text, encoding="utf-8")
    pins = [f"{name}=={version}" for name, version, *_ in (parse_wheel_filename(one.name) for one in wheels)]
    text = template("repo/README.txt.j2").render(**words, apt=apt, rpm=rpm, pins=sorted(set(pins)))
    (root / README).write_text(text, encoding="utf-8")
