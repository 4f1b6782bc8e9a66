"""A package's files laid out in a folder as they will be installed, with fixed modes and times.

Knows `Package` records and the folder; nothing of what a format puts around the files.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import jinja2

from rocm_patch.errors import PackageError
from rocm_patch.packaging.model import Content, Package
from rocm_patch.paths import data_root


def lay_out(package: Package, root: Path) -> None:
    """Write every content below `root`. PackageError where two have one path."""
    seen: set[str] = set()
    for content in package.contents:
        if content.path in seen:
            raise PackageError(f"{package.name} would hold {content.path} twice")
        seen.add(content.path)
        put(root, content)


def put(root: Path, content: Content) -> None:
    """Write one file or link."""
    target = root / content.path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if content.link is not None:
        target.symlink_to(content.link)
        return
    if isinstance(content.source, bytes):
        target.write_bytes(content.source)
    elif content.source is not None:
        shutil.copyfile(content.source, target)
    target.chmod(0o755 if content.executable else 0o644)


def settle(root: Path, epoch: int) -> None:
    """Give every file and folder one time, and folders one mode."""
    for path in [*sorted(root.rglob("*"), reverse=True), root]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def template(name: str) -> jinja2.Template:
    """Load a template of packaging/; an unknown variable in it is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(data_root() / "packaging"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  control files and shell, no HTML
    )
    environment.filters.update(
        aside=aside,
        spec=lambda text: text.replace("%", "%%"),
        bullet=lambda text: _wrap(text, "  * ", "    "),
        dash=lambda text: _wrap(text, "- ", "  "),
    )
    return environment.get_template(name)


def aside(path: str) -> str:
    """Give the name of a stock file that steps aside: none that ldconfig takes for a library."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/rocm-patch-stock.{name}"


def _wrap(text: str, first: str, rest: str) -> str:
    """Fill lines of at most 79 columns; longer words (hashes) stay whole."""
    lines, line = [], first
    for word in text.split():
        if len(line) + len(word) > 78 and line.strip("*- "):  # noqa: PLR2004  columns
            lines.append(line.rstrip())
            line = rest
        line += f"{word} "
    return "\n".join([*lines, line.rstrip()])
